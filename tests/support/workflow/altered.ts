import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** Gets the path of a request and what the sandbox answered it with; returns what the workflow gets. */
export type Alter = (path: string, answer: Readonly<Record<string, unknown>>) => object;

/** A way to the sandbox on which a test changes answers, to what Google has and the sandbox does not. */
export async function altered(origin: string, alter: Alter) {
  const server = createServer(async (request, response) => {
    const { method = 'GET', url = '/', headers } = request;
    const body = await buffer(request);
    const answer = await fetch(origin + url, {
      method,
      headers: {
        authorization: headers.authorization ?? '',
        'content-type': headers['content-type'] ?? 'application/json',
        ...(headers.range === undefined ? {} : { range: headers.range }),
      },
      ...(method === 'POST' ? { body: new Uint8Array(body) } : {}),
    });
    const type = answer.headers.get('content-type') ?? '';
    response.writeHead(answer.status, { 'content-type': type });
    if (!answer.ok || !type.includes('json')) response.end(Buffer.from(await answer.arrayBuffer()));
    else response.end(JSON.stringify(alter(url, (await answer.json()) as Record<string, unknown>)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
