import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { Component, type StackArgs } from './component.ts';

export interface KeysArgs extends StackArgs {
  /** The region of ring and keys: KEYS.KEYSET_CHAIN takes keys of the query's own region only. */
  location: string;
  /** Id of the ring to create. */
  keyRing: string;
  /** An existing key that wraps the application's data keys, in place of a created one. */
  sourceKek?: string | undefined;
  /** An existing key that wraps the first-level keyset, in place of a created one. */
  bigqueryKek?: string | undefined;
  /** `none`, `create`, or the name of an existing key for data at rest. */
  cmek: string;
  keyRotationDays: number;
  /** Refuse to let go of the keys. Destroyed they never are: with their versions all that they wrap would be lost. */
  deletionProtection: boolean;
}

/** The CryptoKeys that encrypt at rest, each readable by the service that it is for. */
export interface AtRest {
  storage: pulumi.Output<string>;
  bigquery: pulumi.Output<string>;
}

/** The key ring, the two key-encryption keys, and the key for data at rest where one is wanted. */
export class Keys extends Component {
  /** CryptoKey names: projects/…/locations/…/keyRings/…/cryptoKeys/… */
  readonly sourceKek: pulumi.Output<string>;
  readonly bigqueryKek: pulumi.Output<string>;
  readonly atRest: AtRest | undefined;

  constructor(name: string, args: KeysArgs) {
    super('Keys', name);
    const wanted = [args.sourceKek, args.bigqueryKek].includes(undefined) || args.cmek === 'create';
    const ring = wanted ? this.ring(args) : undefined;
    const key = (id: string, existing: string | undefined) =>
      ring === undefined || existing !== undefined ? pulumi.output(existing ?? '') : this.key(id, ring, args);

    this.sourceKek = key('source', args.sourceKek);
    this.bigqueryKek = key('bigquery', args.bigqueryKek);
    if (args.cmek !== 'none')
      this.atRest = this.usable(key('at-rest', args.cmek === 'create' ? undefined : args.cmek), args);
    this.registerOutputs({ sourceKek: this.sourceKek, bigqueryKek: this.bigqueryKek });
  }

  private ring({ project, location, keyRing, deletionProtection }: KeysArgs): pulumi.Output<string> {
    const made = new gcp.kms.KeyRing(
      'ring',
      { project, location, name: keyRing },
      this.kept(deletionProtection),
    );
    return pulumi.interpolate`projects/${project}/locations/${location}/keyRings/${made.name}`;
  }

  private key(id: string, ring: pulumi.Output<string>, args: KeysArgs): pulumi.Output<string> {
    const made = new gcp.kms.CryptoKey(
      id,
      {
        keyRing: ring,
        name: id,
        purpose: 'ENCRYPT_DECRYPT',
        rotationPeriod: `${args.keyRotationDays * 86_400}s`,
        labels: args.labels,
      },
      this.kept(args.deletionProtection),
    );
    return pulumi.interpolate`${ring}/cryptoKeys/${made.name}`;
  }

  /**
   * A service encrypts at rest as its own agent, which must be allowed to use the key beforehand.
   * https://cloud.google.com/bigquery/docs/customer-managed-encryption#grant_permission
   */
  private usable(key: pulumi.Output<string>, { project }: KeysArgs): AtRest {
    const grant = (agent: string, email: pulumi.Output<string>) =>
      new gcp.kms.CryptoKeyIAMMember(
        `at-rest-${agent}`,
        {
          cryptoKeyId: key,
          role: 'roles/cloudkms.cryptoKeyEncrypterDecrypter',
          member: pulumi.interpolate`serviceAccount:${email}`,
        },
        // What was encrypted stays readable under another setting, too.
        this.kept(false),
      ).cryptoKeyId;
    const storage = gcp.storage.getProjectServiceAccountOutput({ project }, { parent: this });
    const bigquery = gcp.bigquery.getDefaultServiceAccountOutput({ project }, { parent: this });
    return {
      storage: grant('storage', storage.emailAddress),
      bigquery: grant('bigquery', bigquery.email),
    };
  }
}
