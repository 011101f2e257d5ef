// The list of earlier uploads: names, times in the reader's zone, copy buttons.

import { announcer } from "./announce.js";
import { WebApi } from "./api.js";
import { enableCopying } from "./copy.js";
import { localTimes } from "./history.js";
import { Listing } from "./listing.js";
import { Names, showNames } from "./names.js";

const announce = announcer(document.getElementById("announcements"));
const listing = document.getElementById("listing");
const page = listing ?? document.getElementById("uploader");
const names = new Names(new WebApi({ ...page.dataset }, () => {}), page.dataset.collection);

enableCopying(document, announce);
if (listing !== null) {
  new Listing(listing, names, announce);
} else {
  localTimes(document);
  showNames(document, names);
}
