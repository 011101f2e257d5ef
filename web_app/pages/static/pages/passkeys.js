// Passkeys: the browser asks its person, and what it says then goes along with a form. What a form asks for says its `data-passkey`: "make" or "get".

const WAYS = {
  make: (options) => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
  get: (options) => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
};

async function answered(form) {
  const response = await fetch(form.dataset.asks, { headers: { Accept: "application/json" } });
  if (!response.ok || response.redirected) throw response;
  const { options, state } = await response.json();
  const credential = await WAYS[form.dataset.passkey](options);
  form.elements.state.value = state;
  form.elements.answer.value = JSON.stringify(credential);
}

function enable(form) {
  const problem = form.querySelector("[data-part=problem]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      await answered(form);
    } catch {
      problem.hidden = false; // given up by its person, most often: browsers do not tell which
      return;
    }
    form.submit();
  });
  form.hidden = false;
}

// Older browsers have passkeys, but cannot read what we ask: there is the password.
if (window.PublicKeyCredential?.parseRequestOptionsFromJSON !== undefined) document.querySelectorAll("form[data-passkey]").forEach(enable);
