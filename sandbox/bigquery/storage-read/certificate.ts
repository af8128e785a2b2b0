import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { writeAtomically } from '../../state/files.ts';

/** TLS for loopback: a certificate that signs itself, and its key. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Where the certificate stands, for clients to trust it. */
  readonly path: string;
}

const DAYS = 365;
/** One that ends sooner is replaced at the start. */
const LEFT_MS = 7 * 24 * 60 * 60 * 1000;

/** The certificate of a state folder, made where there is none. Its key is readable by its owner alone. */
export async function certificate(state: string): Promise<Certificate> {
  const folder = join(state, 'tls');
  const [path, keyPath] = [join(folder, 'localhost.pem'), join(folder, 'localhost.key')];
  const known = read(path, keyPath);
  if (known) return known;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const now = Date.now();
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    notBeforeDate: new Date(now - LEFT_MS),
    notAfterDate: new Date(now + DAYS * 24 * 60 * 60 * 1000),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  writeAtomically(keyPath, key);
  writeAtomically(path, cert);
  return { cert, key, path };
}

function read(path: string, keyPath: string): Certificate | undefined {
  try {
    const [cert, key] = [readFileSync(path, 'utf8'), readFileSync(keyPath, 'utf8')];
    const ends = Date.parse(new X509Certificate(cert).validTo);
    return ends - Date.now() > LEFT_MS ? { cert, key, path } : undefined;
  } catch {
    return undefined;
  }
}
