// Keyboard access where the theme has none: to what scrolls sideways, and to the drawers of a small screen.
(function () {
  "use strict";
  // A region that does not scroll would only be a stop on the way.
  var watch = new ResizeObserver(function (entries) {
    // All is read before anything is written, or each box would be laid out anew.
    var scrolls = entries.map(function (entry) { return entry.target.scrollWidth > entry.target.clientWidth; });
    entries.forEach(function (entry, at) {
      var box = entry.target, wide = scrolls[at];
      var says = { tabindex: 0, role: "group", "aria-label": box.querySelector("table") ? "Wide table: " + box.querySelector("caption").textContent : "Code or text" };
      Object.keys(says).forEach(function (name) { if (wide) box.setAttribute(name, says[name]); else if (box.hasAttribute(name)) box.removeAttribute(name); });
    });
  });
  document.querySelectorAll("pre:not(.cite pre), .table-wrapper, .output").forEach(function (box) { watch.observe(box); });

  function drawer(id, name, selector) {
    var box = document.getElementById(id), panel = document.querySelector(selector), opener;
    var buttons = Array.prototype.map.call(document.querySelectorAll("label[for=" + id + "]:not(.overlay)"), function (label) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = label.className;
      button.setAttribute("aria-label", name);
      button.append.apply(button, label.childNodes);
      button.addEventListener("click", function () {
        opener = button;
        set(true);
        var first = Array.prototype.find.call(panel.querySelectorAll("a"), function (link) { return link.getClientRects().length; });
        first.focus({ preventScroll: true });
      });
      label.replaceWith(button);
      return button;
    });
    function set(open) { box.checked = open; say(); }
    function say() { buttons.forEach(function (button) { button.setAttribute("aria-expanded", box.checked); }); }
    box.addEventListener("change", say);
    panel.addEventListener("click", function (event) { if (event.target.closest("a")) set(false); });
    document.addEventListener("keydown", function (event) {
      if (event.key !== "Escape" || !box.checked) return;
      set(false);
      if (opener) opener.focus();
    });
    say();
  }
  // In a frame of another page a figure stands alone, and its links lead out of the frame.
  if (self !== top && location.pathname.indexOf("/figures/") !== -1) {
    document.documentElement.classList.add("embedded");
    document.querySelectorAll(".content a:not([download])").forEach(function (link) { link.target = "_blank"; });
  }
  // Sphinx writes the link as code, which the policy of a host forbids.
  document.addEventListener("click", function (event) {
    if (!event.target.closest(".highlight-link a")) return;
    event.preventDefault();
    SphinxHighlight.hideSearchWords();
  });
  drawer("__navigation", "Contents of the book", ".sidebar-drawer");
  drawer("__toc", "Contents of this page", ".toc-drawer");

  // An address that was cited before what it names moved to another page.
  function follow() {
    var name = decodeURIComponent(location.hash.slice(1)), root = document.documentElement.dataset.content_root;
    if (!name || document.getElementById(name)) return;
    bookLoad(root + "moved.js").then(function () {
      var lost = document.createElement("p"), search = document.createElement("a");
      search.href = root + "search.html?q=" + encodeURIComponent(name);
      search.textContent = "Search the book";
      lost.append("Nothing on this page is called " + name + ". ", search, ".");
      lost.setAttribute("role", "status");
      // By then a page whose address has moved has been left.
      setTimeout(function () { document.querySelector("article").prepend(lost); }, 500);
    });
  }
  window.addEventListener("hashchange", follow);
  follow();
  // Who comes from a search for words begins at the first of them, which Sphinx marks a moment after loading.
  setTimeout(function () {
    var hit = !location.hash && document.querySelector("article .highlighted");
    if (hit) hit.scrollIntoView({ block: "center" });
  }, 100);
})();
