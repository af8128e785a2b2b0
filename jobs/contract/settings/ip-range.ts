/** An IPv4 address and how many of its bits name the network: https://datatracker.ietf.org/doc/html/rfc4632#section-3.1 */
interface Range {
  readonly address: number;
  readonly prefix: number;
}

function rangeOf(text: string): Range | null {
  const [, address = '', prefix = ''] = /^(\d+\.\d+\.\d+\.\d+)\/(\d{1,2})$/.exec(text) ?? [];
  const bytes = address.split('.').map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => byte > 255) || Number(prefix) > 32) return null;
  return { address: bytes.reduce((all, byte) => all * 256 + byte, 0), prefix: Number(prefix) };
}

/** The first address of the range of so many bits that an address is in. */
const firstOf = ({ address }: Range, prefix: number): number => address - (address % 2 ** (32 - prefix));

const written = (address: number): string =>
  [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join('.');

/** https://datatracker.ietf.org/doc/html/rfc1918#section-3 */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map((text) => rangeOf(text) as Range);

/** The least that a subnetwork can be: https://cloud.google.com/vpc/docs/subnets#ipv4-ranges */
const SMALLEST = 29;

/**
 * What is wrong with the range of a subnetwork, as the end of a sentence that begins with the setting's name; null if
 * nothing is. It is private, of four numbers, as small as the private range that it is in and not below /29, and begins at
 * its own first address.
 *
 * @example
 * ipRangeFault('10.0.0.5/24'); // 'must begin at its first address: 10.0.0.0/24'
 */
export function ipRangeFault(text: string): string | null {
  const range = rangeOf(text);
  const around = PRIVATE.find((one) => range !== null && firstOf(range, one.prefix) === one.address);
  if (range === null || around === undefined) return 'must be a private IPv4 range in CIDR form';
  if (range.prefix < around.prefix || range.prefix > SMALLEST)
    return `must be a range of /${around.prefix} to /${SMALLEST} in ${written(around.address)}/${around.prefix}`;
  const first = firstOf(range, range.prefix);
  return first === range.address
    ? null
    : `must begin at its first address: ${written(first)}/${range.prefix}`;
}
