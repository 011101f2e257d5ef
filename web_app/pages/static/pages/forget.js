// On the page that signing out leads to: takes everything along that this browser remembers of unfinished uploads. Not before,
// for a person may still decide to stay while files are on their way.

import { forgetEverything } from "./unfinished.js";

forgetEverything().catch(() => {});
