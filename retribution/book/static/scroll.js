// What scrolls sideways must be reachable by keyboard; what does not would only be a stop on the way.
(function () {
  "use strict";
  var watch = new ResizeObserver(function (entries) {
    entries.forEach(function (entry) {
      var box = entry.target, wide = box.scrollWidth > box.clientWidth;
      var says = { tabindex: 0, role: "group", "aria-label": box.querySelector("table") ? "Wide table" : "Code or text" };
      Object.keys(says).forEach(function (name) { wide ? box.setAttribute(name, says[name]) : box.removeAttribute(name); });
    });
  });
  document.querySelectorAll("pre, .table-wrapper, .output").forEach(function (box) { watch.observe(box); });
})();
