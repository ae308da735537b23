// Rank what the search finds: the register's pages that only hold the words come after its entries, found by name.
// Sphinx's script takes this object in the place of its own; the numbers are its own. From disk it may fetch no page.
DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";
window.Scorer = {
  score: function (found) {
    "use strict";
    found[1] = found[1].replace(/</g, "&lt;");  // Sphinx shows it as HTML, and has escaped only the register's names
    var words = found[0].startsWith("register/") && !found[2];
    if (words) found[3] = "among its words";
    var day = /^#(\d{4})-(\d\d)-(\d\d)-/.exec(found[2]);  // events that fit alike stand by date
    return found[4] - (words ? 14 : 0) + (/^person, /.test(found[3]) ? 1 : 0) - (day ? Number(day[1] + day[2] + day[3]) / 1e8 : 0);
  },
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2
};
