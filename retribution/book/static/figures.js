// Swap a still picture for its live chart when a reader turns to it. Works from disk: no fetch, no outside address.
(function () {
  "use strict";
  var specs = {}, pending = {}, vega;

  function load(src) {
    return new Promise(function (done, fail) {
      var script = document.createElement("script");
      script.src = src;
      script.onload = done;
      script.onerror = function () { fail(new Error("cannot load " + src)); };
      document.head.appendChild(script);
    });
  }
  window.bookFigure = function (name, cuts) { specs[name] = cuts; };

  function wake(still) {
    var name = still.id.replace(/^fig-|-chart$/g, "");
    if (pending[name]) return;
    pending[name] = true;
    vega = vega || load(still.dataset.vega);
    Promise.all([vega, load(still.dataset.live)]).then(function () {
      return Promise.all(Array.prototype.map.call(still.children, function (box) {
        var live = document.createElement("div"), label = box.firstChild.getAttribute("aria-label");
        return window.bookEmbed(live, specs[name][box.className], { renderer: "svg", actions: false, tooltip: { theme: "custom" } })
          .then(function () {
            live.querySelector("svg").setAttribute("aria-label", label);
            live.classList.remove("vega-embed");
            box.replaceChildren(live);
          });
      }));
    }).then(function () { still.classList.add("live"); }, function (error) {
      pending[name] = false;
      console.warn("The still picture stays: " + error.message);
    });
  }
  document.querySelectorAll(".still").forEach(function (still) {
    ["pointerenter", "focusin", "touchstart"].forEach(function (event) {
      still.addEventListener(event, function () { wake(still); }, { passive: true });
    });
  });
})();
