// The form that takes a token. What it is given goes to the controller once, and is kept by nobody here.

import { SILENCE, ask, whoAmI } from "./ask.js";
import { h, setText } from "./dom.js";

export function signIn(who, entered) {
  if (!who.form) return h("p", {}, who.message);
  const problem = h("p", { class: "problem", role: "alert" });
  const token = h("input", {
    id: "token", name: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "token-how",
  });
  const button = h("button", { type: "submit", class: "main" }, "Sign in");
  const form = h(
    "form", { class: "signin" },
    h("h1", {}, "Sign in"),
    h("p", { id: "token-how" }, "With a token of somebody who may list InferenceScalers, such as that of a service account:"),
    h("p", {}, h("code", {}, "kubectl create token NAME --namespace NAMESPACE")),
    h("label", { for: "token" }, "Token"),
    token,
    button,
    problem,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    setText(problem, "");
    const { ok, told } = await ask("session", { method: "POST", body: token.value.trim(), headers: { "Content-Type": "text/plain" } });
    token.value = "";
    button.disabled = false;
    const found = ok ? await whoAmI() : told;
    if (found?.name) entered(found);
    else setText(problem, found?.message ?? SILENCE);
  });
  return form;
}
