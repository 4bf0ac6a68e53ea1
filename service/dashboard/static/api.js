// Calls of the JSON API: a response's document, or a Problem made of its problem document.

export class Problem extends Error {
  // document: RFC 9457: status, title, detail, errors [{field, message}].
  constructor(document) {
    super(document.detail || document.title);
    this.status = document.status;
    this.title = document.title;
    this.errors = document.errors ?? [];
  }
}

// {status, headers, document}; document is null where the response has no JSON. Throws Problem.
export async function call(method, path, {body, headers = {}, signal} = {}) {
  const fields = {Accept: "application/json", ...headers};
  if (body !== undefined) fields["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {method, headers: fields, signal, body: body === undefined ? undefined : JSON.stringify(body)});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({status: 0, title: "Not reached", detail: "the service does not answer; try again soon"});
  }
  const isJson = response.status !== 204 && /\bjson\b/.test(response.headers.get("Content-Type") ?? "");
  const document = isJson ? await response.json() : null;
  if (!response.ok) throw new Problem(document ?? {status: response.status, title: response.statusText});
  return {status: response.status, headers: response.headers, document};
}

// Show a message for some seconds; screen readers read it aloud.
export function say(message) {
  const place = document.getElementById("said");
  place.textContent = message;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (place.textContent = ""), 8000);
}
