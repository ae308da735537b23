// Filter and sort all events. The page ships the latest; library and data load when a reader turns to the form or
// the table, or at once where the address holds a view. Works from disk: no fetch, no outside address.
(function () {
  "use strict";
  var form = document.getElementById("event-filters"), count = document.getElementById("event-count"),
      copy = document.getElementById("event-copy"), table = document.getElementById("events"), names, shown, ready, wait;
  var ID = 0, START = 1, END = 2, WHEN = 3, TITLE = 4, DOMAIN = 5, KIND = 6, ACTOR = 7, TARGET = 8, PLACE = 9, KILLED = 10,
      WOUNDED = 11, ORIGINS = 12, CLAIMS = 13, PAGE = 14;
  var columns = Array.prototype.map.call(table.tHead.rows[0].cells, function (cell) { return cell.className; });

  window.bookEvents = function (found) { names = found; };

  function read() {
    var view = new URLSearchParams(location.search);
    Array.prototype.forEach.call(form.elements, function (field) { if (field.name) field.value = view.get(field.name) || ""; });
  }
  function view() {
    var filled = Array.from(new FormData(form)).filter(function (pair) { return pair[1]; });
    return location.pathname + (filled.length ? "?" + new URLSearchParams(filled) : "");
  }
  function order() {
    var sort = form.elements.sort.value || "-date";
    return [columns.indexOf(sort.replace("-", "")), sort[0] === "-" ? "desc" : "asc"];
  }

  function who(row) { return names.actors[row[ACTOR]] + (row[TARGET] ? ", to " + names.actors[row[TARGET]] : ""); }
  function domain(row) { return names.domains[row[DOMAIN]] + ": " + row[KIND].replace(/_/g, " "); }
  function figure(three) {
    if (three[0] === null) return "";
    return three[1] + (three[0] === three[2] ? "" : " (" + three[0] + " to " + three[2] + ")");
  }
  function link(row) {
    var a = document.createElement("a");
    a.href = row[PAGE] + ".html#" + row[ID];
    a.textContent = row[TITLE];
    return a;
  }
  function fits(row) {
    var want = function (name) { return form.elements[name].value; };
    if (!row.text) row.text = [row[ID], row[TITLE], who(row), names.aliases[row[ACTOR]], names.aliases[row[TARGET]], names.places[row[PLACE]], domain(row)].join(" ").toLowerCase();
    return want("words").toLowerCase().split(/\s+/).every(function (word) { return row.text.includes(word); }) &&
      (!want("domain") || row[DOMAIN] === want("domain")) && (!want("kind") || row[KIND] === want("kind")) &&
      (!want("actor") || row[ACTOR] === want("actor") || row[TARGET] === want("actor")) &&
      (!want("country") || names.countries[row[PLACE]] === want("country")) && (!want("place") || row[PLACE] === want("place")) &&
      (!want("from") || row[START] >= want("from")) && (!want("to") || row[START] <= want("to")) &&
      (!want("claim") || row[CLAIMS].includes(want("claim")));
  }

  function start() {
    ready = ready || Promise.all([bookLoad("datatables.js"), bookLoad("table-data.js")]).then(function () {
      var text = function (words) { return function (cell, type, row) { return words(row); }; };
      var number = function (at) {
        return function (cell, type, row) { return type === "sort" || type === "type" ? (row[at][1] === null ? -1 : row[at][1]) : figure(row[at]); };
      };
      var escaped = window.bookTable.render.text().display;
      var last = function (value) { return value < 0 ? Infinity : value; };
      window.bookTable.type("figure", "order", { asc: function (a, b) { return last(a) - last(b) || 0; }, desc: function (a, b) { return b - a; } });
      // The form filters the rows; for its own search the library would read each text as HTML.
      shown = new window.bookTable(table, {
        data: names.rows,
        columns: [
          { render: function (cell, type, row) { return type === "display" ? row[WHEN] : row[START] + row[ID]; } },
          { render: function (cell, type, row) { return type === "display" ? link(row) : row[TITLE]; } },
          { render: text(function (row) { return escaped(domain(row)); }) },
          { render: text(function (row) { return escaped(who(row)); }) },
          { render: text(function (row) { return escaped(names.places[row[PLACE]]); }) },
          { render: number(KILLED), type: "figure" }, { render: number(WOUNDED), type: "figure" }, { data: ORIGINS, type: "num" }
        ].map(function (column, at) { return Object.assign({ data: null, searchable: false, className: columns[at], cellType: at === 1 ? "th" : "td", createdCell: function (cell) { if (at === 1) cell.scope = "row"; }, orderSequence: /date|killed|wounded|origins/.test(columns[at]) ? ["desc", "asc"] : ["asc", "desc"] }, column); }),
        order: [order()], pageLength: table.tBodies[0].rows.length, autoWidth: false,
        layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: "paging" },
        language: { zeroRecords: "No event fits all of these. Take a filter away, or reset.", emptyTable: "" }
      });
      shown.search.fixed("form", function (words, row) { return fits(row); });
      shown.on("draw", tell).on("order", function () {
        var now = shown.order()[0], sort = (now[1] === "desc" ? "-" : "") + columns[now[0]];
        sort = sort === "-date" ? "" : sort;
        if (form.elements.sort.value === sort) return;
        form.elements.sort.value = sort;
        remember();
      });
      shown.draw();
    }).catch(function (error) {
      ready = null;
      console.warn("The latest events stay: " + error.message);
    });
    return ready;
  }
  function tell() {
    count.textContent = shown.page.info().recordsDisplay.toLocaleString("en") + " of " + shown.page.info().recordsTotal.toLocaleString("en") + " events";
  }
  function draw() { return start().then(function () { shown.order([order()]).draw(); }); }
  function remember() { if (view() !== location.pathname + location.search) history.pushState(null, "", view()); }

  function csv() {
    var quote = function (value) { return /[",\n]/.test(value) ? '"' + value.replace(/"/g, '""') + '"' : value; };
    var head = ["event_id", "date_start", "date_end", "title", "domain", "kind", "actor", "target", "place", "killed_low", "killed_best", "killed_high", "wounded_low", "wounded_best", "wounded_high", "origins"];
    var lines = shown.rows({ search: "applied", order: "applied" }).data().toArray().map(function (row) {
      return [row[ID], row[START], row[END], row[TITLE], row[DOMAIN], row[KIND], names.actors[row[ACTOR]], names.actors[row[TARGET]] || "", names.places[row[PLACE]]]
        .concat(row[KILLED], row[WOUNDED], row[ORIGINS]).map(function (value) { return quote(value === null ? "" : String(value)); }).join(",");
    });
    var a = document.createElement("a");
    a.href = URL.createObjectURL(new Blob([[head.join(",")].concat(lines).join("\n") + "\n"], { type: "text/csv" }));
    a.download = "events.csv";
    a.click();
    setTimeout(function () { URL.revokeObjectURL(a.href); }, 1000);
  }

  form.addEventListener("submit", function (event) { event.preventDefault(); remember(); draw(); });
  form.addEventListener("change", function () { remember(); draw(); });
  form.addEventListener("input", function (event) {
    if (event.target.name !== "words") return;
    clearTimeout(wait);
    wait = setTimeout(draw, 200);
  });
  window.addEventListener("popstate", function () { read(); draw(); });
  document.getElementById("event-csv").addEventListener("click", function () { start().then(csv); });
  if (navigator.clipboard) copy.addEventListener("click", function () {
    navigator.clipboard.writeText(new URL(view(), location.href).href).then(function () { copy.textContent = "Copied"; });
  });
  else copy.hidden = true;
  [form, table].forEach(function (part) {
    ["pointerenter", "focusin", "touchstart"].forEach(function (event) { part.addEventListener(event, start, { passive: true, once: true }); });
  });
  read();
  if (location.search) draw();
})();
