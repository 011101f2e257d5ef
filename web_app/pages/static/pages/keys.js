// The page that shows a new API key, once.

import { announcer } from "./announce.js";
import { enableCopying } from "./copy.js";

enableCopying(document, announcer(document.getElementById("announcements")));
document.getElementById("copy-key").hidden = false;
