// Show the card of a claim, event or source while the pointer or the keyboard's focus is on its link or on the card.
(function () {
  "use strict";
  if (!HTMLElement.prototype.showPopover) return;
  var links = document.querySelectorAll("a.card"), card = document.createElement("div"), at, timer;
  card.popover = "manual";
  card.id = "card";
  card.role = "tooltip";
  document.querySelector("article").append(card);

  function words(link) { return document.getElementById("card-" + decodeURIComponent(link.hash.slice(1))); }
  function show(link) {
    clearTimeout(timer);
    if (at === link) return;
    hide();
    at = link;
    card.replaceChildren.apply(card, Array.prototype.map.call(words(link).children, function (part) { return part.cloneNode(true); }));
    card.showPopover();
    var box = link.getClientRects()[0], room = document.documentElement;
    var above = box.bottom + card.offsetHeight > room.clientHeight && box.top > card.offsetHeight;
    card.style.left = scrollX + Math.max(8, Math.min(box.left, room.clientWidth - card.offsetWidth - 8)) + "px";
    card.style.top = scrollY + (above ? box.top - card.offsetHeight : box.bottom) + "px";
  }
  function hide() {
    clearTimeout(timer);
    at = null;
    if (card.matches(":popover-open")) card.hidePopover();
  }
  function soon(act) { clearTimeout(timer); timer = setTimeout(act, 200); }

  links.forEach(function (link) {
    if (!words(link)) return;
    link.setAttribute("aria-describedby", words(link).id);
    link.addEventListener("pointerenter", function (event) {
      if (event.pointerType !== "touch") soon(function () { show(link); });
    });
    link.addEventListener("pointerleave", function () { soon(hide); });
    link.addEventListener("focus", function () { if (link.matches(":focus-visible")) show(link); });
    link.addEventListener("blur", hide);
  });
  card.addEventListener("pointerenter", function () { clearTimeout(timer); });
  card.addEventListener("pointerleave", function () { soon(hide); });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") hide(); });
})();
