import ipaddr from 'ipaddr.js';
import { judged } from './judged.ts';

/** How far the private range of an address reaches: https://datatracker.ietf.org/doc/html/rfc1918#section-3 */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map((range) =>
  ipaddr.IPv4.parseCIDR(range),
);

/** The least that a subnetwork can be: https://cloud.google.com/vpc/docs/subnets#ipv4-ranges */
const SMALLEST = 29;

const FAULT = 'must be a private IPv4 range in CIDR form';

/**
 * What is wrong with the range of a subnetwork, as the end of a sentence that begins with the setting's name; null if
 * nothing is. It is private, of four numbers, as small as the private range that it is in and not below /29, and begins at
 * its own first address.
 *
 * @example
 * ipRangeFault('10.0.0.5/24'); // 'must begin at its first address: 10.0.0.0/24'
 */
function ipRangeFault(text: string): string | null {
  const [address = '', prefix] = text.split('/');
  const isRange = ipaddr.IPv4.isValidFourPartDecimal(address) && ipaddr.IPv4.isValidCIDR(text);
  const around = PRIVATE.find((range) => isRange && ipaddr.IPv4.parse(address).match(range));
  if (around === undefined) return FAULT;
  const [base, most] = around;
  if (Number(prefix) < most || Number(prefix) > SMALLEST)
    return `must be a range of /${most} to /${SMALLEST} in ${base}/${most}`;
  const first = ipaddr.IPv4.networkAddressFromCIDR(text).toString();
  return first === address ? null : `must begin at its first address: ${first}/${prefix}`;
}

/** A private range that a subnetwork can have. */
export const cidr = judged(FAULT, ipRangeFault);
