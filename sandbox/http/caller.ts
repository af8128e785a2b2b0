/**
 * A resource that permissions are asked on: its full name, under which bindings stand on it or on one of its
 * parents, and the words in which its service denies a permission.
 */
export interface Resource {
  readonly name: string;
  denied(permission: string, member: string): string;
}

/** Who makes a call, and what that principal may do. */
export interface Caller {
  readonly member: string;
  may(permission: string, resource: string): boolean;
  /** @throws GoogleError PERMISSION_DENIED in the words of the resource's service */
  require(permission: string, resource: Resource): void;
  /** The caller that acts as another principal, which a routine does that a dataset authorises. */
  as(member: string): Caller;
}
