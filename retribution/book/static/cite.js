// Copy and save each form of a citation; without a script its words can be selected.
(function () {
  "use strict";
  var endings = { BibTeX: "bib", RIS: "ris", "CSL-JSON": "json" };

  function button(text, name, work) {
    var made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-label", text + " " + name);
    made.addEventListener("click", function () { work(made); });
    return made;
  }

  function copy(form, made) {
    var range = document.createRange();
    range.selectNodeContents(form);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy"); // the newer clipboard is shut on a host without encryption
    say(made, "Copied", "Copy");
  }

  function say(made, word, before) {
    made.textContent = word;
    setTimeout(function () { made.textContent = before; }, 2000);
  }

  function save(form, file, made) {
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([form.textContent + "\n"], { type: "text/plain" }));
    link.download = file;
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 0);
    say(made, "Saved", "Save");
  }

  function equip(box) {
    if (!box.open || box.equipped) return;
    box.equipped = true;
    box.querySelectorAll("dt").forEach(function (term) {
      var name = term.textContent, form = term.nextElementSibling.firstElementChild, tools = document.createElement("span");
      if (name === "Address" || name === "Versions") return;
      if (name === "Embed") form.textContent = form.textContent.replace(/src="[^"]*"/, 'src="' + location.href.split(/[?#]/)[0] + '"');
      tools.append(button("Copy", name, function (made) { copy(form, made); }));
      if (endings[name]) tools.append(button("Save", name, function (made) { save(form, box.dataset.name + "." + endings[name], made); }));
      tools.setAttribute("aria-live", "polite");
      term.append(" ", tools);
    });
  }

  document.addEventListener("toggle", function (event) { if (event.target.matches("details.cite")) equip(event.target); }, true);
  document.querySelectorAll("details.cite[open]").forEach(equip);
})();
