// Put entries of the register, found by name, before its pages that only hold the words; fetch no page from disk.
DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";
Scorer.score = function (found) {
  "use strict";
  var words = found[0].startsWith("register/") && !found[2];
  if (words) found[3] = "among its words";
  return found[4] - (words ? 14 : 0);
};
