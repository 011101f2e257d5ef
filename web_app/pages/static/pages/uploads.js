// The full list of earlier uploads: times in the reader's zone, copy buttons.

import { announcer } from "./announce.js";
import { enableCopying } from "./copy.js";
import { localTimes } from "./history.js";

localTimes(document);
enableCopying(document, announcer(document.getElementById("announcements")));
