// Swap a still picture for its live chart when a reader turns to it. Works from disk: no fetch, no outside address.
(function () {
  "use strict";
  var specs = {}, vega;

  function load(src) {
    return new Promise(function (done, fail) {
      var script = document.createElement("script");
      script.src = src;
      script.onload = done;
      script.onerror = function () { fail(new Error("cannot load " + src)); };
      document.head.appendChild(script);
    });
  }
  window.bookLoad = load;
  window.bookFigure = function (name, cuts) { specs[name] = cuts; };

  function wake(still) {
    var name = still.id.replace(/^fig-|-chart$/g, ""), root = still.dataset.root;
    var box = Array.prototype.find.call(still.children, function (cut) { return cut.getClientRects().length; });
    if (!box || box.dataset.live) return;
    var foot = box.querySelector(".reset");
    box.dataset.live = "pending";
    vega = vega || load(root + "figures/vega.js");
    Promise.all([vega, specs[name] || load(root + "figures/" + name + ".js")]).then(function () {
      var live = document.createElement("div"), label = box.firstChild.getAttribute("aria-label");
      var spec = Object.assign({ datasets: specs[name].datasets }, specs[name][box.className]);
      // The interpreter (ast) evaluates no code, so that a page may forbid eval.
      return window.bookEmbed(live, spec, { renderer: "svg", actions: false, ast: true, tooltip: { theme: "custom" }, loader: { baseURL: root } })
        .then(function (result) {
          live.querySelector("svg").setAttribute("aria-label", label);
          live.classList.remove("vega-embed");
          box.replaceChildren(live);
          if (foot) box.append(reset(foot, result.view, spec.params));
          box.dataset.live = "yes";
          still.classList.add("live");
          if (touched) {
            var mark = document.elementFromPoint(touched.clientX, touched.clientY);
            if (mark && mark.__data__ && !mark.__data__.href) mark.dispatchEvent(new MouseEvent("click", touched)); // a legend
            tell(mark, touched);
            touched = null;
          }
        });
    }).catch(function (error) {
      delete box.dataset.live;
      console.warn("The still picture stays: " + error.message);
    });
  }
  // Vega moves a control when its signal changes.
  function reset(foot, view, params) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = "Reset the controls";
    button.addEventListener("click", function () {
      params.forEach(function (param) { if (param.bind && param.bind.input) view.signal(param.name, param.value); });
      view.runAsync();
    });
    foot.replaceChildren(button);
    return foot;
  }
  // Under a finger, which never hovers, the first tap on a mark says what it is; the second opens its entry.
  var tapped, touched;
  function tell(mark, event) {
    if (!mark || !mark.__data__ || !mark.__data__.tooltip) return;
    tapped = mark;
    mark.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: event.clientX, clientY: event.clientY }));
  }
  document.addEventListener("touchstart", function () {
    if (tapped) tapped.dispatchEvent(new PointerEvent("pointerout", { bubbles: true }));
  }, { capture: true, passive: true });
  document.querySelectorAll(".still").forEach(function (still) {
    still.addEventListener("click", function (event) {
      if (event.pointerType !== "touch") return;
      if (!still.classList.contains("live")) {
        touched = event; // the tap that wakes a chart tells too, once it is awake
        return;
      }
      var item = event.target.__data__;
      if (item && item.tooltip && item.href && tapped !== event.target) event.stopPropagation();
      tell(event.target, event);
    }, true);
    ["pointerenter", "focusin", "touchstart"].forEach(function (event) {
      still.addEventListener(event, function () { wake(still); }, { passive: true });
    });
  });

  // A figure's link is a plain one; where the browser lets it, it also puts its address on the clipboard, and says so.
  var said = document.createElement("p");
  said.className = "unseen";
  said.setAttribute("role", "status");
  document.body.append(said);
  if (navigator.clipboard) document.querySelectorAll(".chart-tools a[href^='#']").forEach(function (link) {
    link.addEventListener("click", function () {
      navigator.clipboard.writeText(link.href).then(function () {
        link.textContent = said.textContent = "Link copied";
        setTimeout(function () {
          link.textContent = "Link";
          said.textContent = "";
        }, 2000);
      }, function () {});
    });
  });

  // The code behind a figure, and behind every figure of the page at once; the second is remembered.
  function fold(button, open) { button.setAttribute("aria-expanded", String(open)); }
  document.querySelectorAll(".show-code").forEach(function (button) {
    var code = button.closest(".cell").querySelector("details.hide");
    button.hidden = false;
    fold(button, code.open);
    code.addEventListener("toggle", function () { fold(button, code.open); });
    button.addEventListener("click", function () {
      code.open = !code.open;
      if (code.open) code.scrollIntoView({ block: "start" });
    });
  });
  var all = document.querySelector(".show-all-code"), cells = document.querySelectorAll(".cell details.hide");
  if (all && cells.length) {
    var show = function (open) {
      cells.forEach(function (code) { code.open = open; });
      fold(all, open);
      all.textContent = open ? "Hide code" : "Show code";
    };
    all.hidden = false;
    show(localStorage.getItem("show-code") === "yes");
    all.addEventListener("click", function () {
      var open = all.getAttribute("aria-expanded") !== "true";
      localStorage.setItem("show-code", open ? "yes" : "no");
      show(open);
    });
  }
})();
