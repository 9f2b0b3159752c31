// Plain requests to the controller: what it answers, or that it does not.

export const SILENCE = "the controller does not answer";
const PATIENCE_MS = 10000;

// Return the document that `path` is answered with, and whether it is what was asked for: a refusal has a `message`, and so has
// silence, whose status is 0. Without `whole` only a refusal is read.
export async function ask(path, { whole = true, ...how } = {}) {
  try {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS), ...how });
    const { ok, status } = answer;
    if (status !== 204 && (whole || !ok)) return { ok, status, told: await answer.json() };
    await answer.body?.cancel();
    return { ok, status, told: {} };
  } catch {
    return { ok: false, status: 0, told: { message: SILENCE } };
  }
}

// Return who we are to the controller: a name, or null and how to sign in; only a message where it cannot say, null for silence.
export async function whoAmI() {
  const { status, told } = await ask("api/who");
  return status ? told : null;
}
