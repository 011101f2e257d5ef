// Times that the server wrote by UTC, in the reader's zone.

import { localTimes } from "./history.js";

localTimes(document);
