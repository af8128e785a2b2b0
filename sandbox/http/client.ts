/** An answer of the sandbox over REST, for those who fill it: the deployer and the loaders. */
export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** One call with a principal's token; answers of any status are returned. */
export async function send(
  token: string,
  method: string,
  url: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': contentType }),
    },
    ...(body === undefined
      ? {}
      : {
          body: raw ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body),
        }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
}

/** One call that must succeed. @throws Error with the answer's message */
export async function call(
  token: string,
  method: string,
  url: string,
  body?: unknown,
  contentType?: string,
): Promise<Record<string, unknown>> {
  const answer = await send(token, method, url, body, contentType);
  if (answer.status < 300) return answer.body;
  throw new Error(messageOf(answer));
}

export function messageOf({ status, body }: Answer): string {
  const error = body.error as { message?: string } | undefined;
  return error?.message ?? `HTTP ${status}`;
}
