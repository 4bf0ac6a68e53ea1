// The JSON API, from a page: an answer's document, or a Problem with the words of its problem document.

export class Problem extends Error {
  // document: RFC 9457: status, title, detail, errors [{field, message}].
  constructor(document) {
    super(document.detail || document.title);
    this.status = document.status;
    this.title = document.title;
    this.errors = document.errors ?? [];
  }
}

// {status, headers, document}; document is null where the answer has no JSON. Throws Problem.
export async function call(method, path, {body, headers = {}, signal} = {}) {
  const sent = {Accept: "application/json", ...headers};
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {method, headers: sent, signal, body: body === undefined ? undefined : JSON.stringify(body)});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({status: 0, title: "Not reached", detail: "the service does not answer; try again soon"});
  }
  const isJson = answer.status !== 204 && /\bjson\b/.test(answer.headers.get("Content-Type") ?? "");
  const document = isJson ? await answer.json() : null;
  if (!answer.ok) throw new Problem(document ?? {status: answer.status, title: answer.statusText});
  return {status: answer.status, headers: answer.headers, document};
}

// Tell what has happened, also to who does not see it.
export function say(words) {
  const place = document.getElementById("said");
  place.textContent = words;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (place.textContent = ""), 8000);
}
