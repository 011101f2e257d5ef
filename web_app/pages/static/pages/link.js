// What opens an account stands behind the `#` of a link, which no server sees: it goes into the form, and out of the address.

const field = document.getElementById("link");

if (location.hash.length > 1) {
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
if (field.value !== "") {
  field.type = "hidden";
  document.getElementById("link-field").hidden = true;
  document.getElementById("new").focus();
}
