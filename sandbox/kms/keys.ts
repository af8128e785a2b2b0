import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { GoogleError } from '../errors/google-error.ts';
import { readJsonFile, writeAtomically } from '../state/files.ts';

/** The states of https://cloud.google.com/kms/docs/key-states that a software key meets here. */
export type VersionState = 'ENABLED' | 'DISABLED' | 'DESTROY_SCHEDULED' | 'DESTROYED';

export interface KeyVersion {
  state: VersionState;
  /** AES-256 key, base64. It stays when the version is destroyed: only so are its ciphertexts told from a stranger's. */
  material: string;
  createTime: string;
  /** Material that came from outside, as `kms:import` puts it there. */
  imported: boolean;
}

export interface CryptoKey {
  createTime: string;
  primary: number;
  versions: KeyVersion[];
  labels: Record<string, string>;
  rotationPeriod?: string;
  nextRotationTime?: string;
}

interface State {
  keyRings: Record<string, { createTime: string }>;
  cryptoKeys: Record<string, CryptoKey>;
}

const IV = 12;
const TAG = 16;

/** Cloud KMS's symmetric keys: AES-256-GCM, kept in `kms.json` of the state folder (mode 0600). */
export class Keys {
  readonly #path: string;
  readonly #state: State;

  constructor(folder: string) {
    this.#path = join(folder, 'kms.json');
    this.#state = (readJsonFile(this.#path) as State | undefined) ?? { keyRings: {}, cryptoKeys: {} };
  }

  get keyRings(): Readonly<State['keyRings']> {
    return this.#state.keyRings;
  }

  get cryptoKeys(): Readonly<State['cryptoKeys']> {
    return this.#state.cryptoKeys;
  }

  createKeyRing(name: string): void {
    if (this.#state.keyRings[name]) throw exists('KeyRing', name);
    this.#state.keyRings[name] = { createTime: new Date().toISOString() };
    this.save();
  }

  createCryptoKey(
    name: string,
    options: Partial<Pick<CryptoKey, 'labels' | 'rotationPeriod' | 'nextRotationTime'>>,
  ): void {
    const ring = name.replace(/\/cryptoKeys\/[^/]+$/, '');
    if (!this.#state.keyRings[ring]) throw absent('KeyRing', ring);
    if (this.#state.cryptoKeys[name]) throw exists('CryptoKey', name);
    this.#state.cryptoKeys[name] = {
      createTime: new Date().toISOString(),
      primary: 1,
      versions: [newVersion()],
      labels: {},
      ...options,
    };
    this.save();
  }

  /** The key of a resource name. @throws GoogleError NOT_FOUND */
  key(name: string): CryptoKey {
    const key = this.#state.cryptoKeys[name];
    if (!key) throw absent('CryptoKey', name);
    return key;
  }

  version(name: string, number: number): KeyVersion {
    const version = this.key(name).versions[number - 1];
    if (!version) throw absent('CryptoKeyVersion', `${name}/cryptoKeyVersions/${number}`);
    return version;
  }

  /** Adds a version; returns its number. Given material becomes the primary, as does a key's first. */
  addVersion(name: string, material?: Buffer): number {
    const key = this.key(name);
    key.versions.push(newVersion(material));
    if (material) key.primary = key.versions.length;
    this.save();
    return key.versions.length;
  }

  /** Encrypts under the primary version: iv 12 | ciphertext | tag 16. */
  encrypt(name: string, plaintext: Uint8Array, aad: Uint8Array): { version: number; ciphertext: Buffer } {
    const { primary } = this.key(name);
    const version = this.version(name, primary);
    const material = this.#usable(name, primary, version);
    const iv = randomBytes(IV);
    const cipher = createCipheriv('aes-256-gcm', material, iv).setAAD(aad);
    const body = Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return { version: primary, ciphertext: body };
  }

  /**
   * Decrypts with the version that encrypted, the newest first. At Google a ciphertext says which one that was
   * (https://cloud.google.com/kms/docs/key-states); here it is the one that opens it, usable or not, so that data keys
   * that an application wrapped by itself need no form of the sandbox's own.
   *
   * @throws GoogleError FAILED_PRECONDITION where that version is not enabled, INVALID_ARGUMENT where there is none
   */
  decrypt(name: string, ciphertext: Uint8Array, aad: Uint8Array): { version: number; plaintext: Buffer } {
    for (let number = this.key(name).versions.length; number >= 1; number--) {
      const version = this.version(name, number);
      const plaintext = open(Buffer.from(version.material, 'base64'), ciphertext, aad);
      if (!plaintext) continue;
      if (version.state !== 'ENABLED') throw disabled(`${name}/cryptoKeyVersions/${number}`, version.state);
      return { version: number, plaintext };
    }
    throw new GoogleError('INVALID_ARGUMENT', 'Decryption failed: the ciphertext is invalid.');
  }

  save(): void {
    writeAtomically(this.#path, JSON.stringify(this.#state, null, 1));
  }

  #usable(name: string, number: number, version: KeyVersion): Buffer {
    if (version.state !== 'ENABLED') throw disabled(`${name}/cryptoKeyVersions/${number}`, version.state);
    return Buffer.from(version.material, 'base64');
  }
}

function open(material: Buffer, ciphertext: Uint8Array, aad: Uint8Array): Buffer | undefined {
  if (ciphertext.length < IV + TAG) return undefined;
  const end = ciphertext.length - TAG;
  const decipher = createDecipheriv('aes-256-gcm', material, ciphertext.subarray(0, IV))
    .setAAD(aad)
    .setAuthTag(ciphertext.subarray(end));
  const body = decipher.update(ciphertext.subarray(IV, end));
  try {
    return Buffer.concat([body, decipher.final()]);
  } catch {
    return undefined;
  }
}

function newVersion(material?: Buffer): KeyVersion {
  return {
    state: 'ENABLED',
    material: (material ?? randomBytes(32)).toString('base64'),
    createTime: new Date().toISOString(),
    imported: material !== undefined,
  };
}

const absent = (what: string, name: string) => new GoogleError('NOT_FOUND', `${what} ${name} not found.`);
const exists = (what: string, name: string) =>
  new GoogleError('ALREADY_EXISTS', `${what} ${name} already exists.`);
/** How Cloud KMS turns down the use of a version that is not enabled. */
export const disabled = (name: string, state: VersionState): GoogleError =>
  new GoogleError('FAILED_PRECONDITION', `${name} is not enabled, current state is: ${state}.`);
