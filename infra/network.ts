import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { Component, type StackArgs } from './component.ts';

export interface NetworkArgs extends StackArgs {
  location: string;
  /** An existing subnetwork in place of a created one. */
  subnetwork?: string | undefined;
  /** Range of the created subnetwork. */
  network: { cidr: string };
}

/**
 * Where batches run: one subnetwork that reaches Google's APIs over Private Google Access and nothing else,
 * as there is neither a NAT nor a public address. Drivers and executors talk to each other on all ports.
 * https://cloud.google.com/dataproc-serverless/docs/concepts/network
 */
export class Network extends Component {
  /** Name or full name, as a batch's execution config takes it. */
  readonly subnetwork: pulumi.Output<string>;

  constructor(name: string, args: NetworkArgs) {
    super('Network', name);
    this.subnetwork = args.subnetwork === undefined ? this.created(args) : pulumi.output(args.subnetwork);
    this.registerOutputs({ subnetwork: this.subnetwork });
  }

  private created({ project, stack, location, network: { cidr } }: NetworkArgs): pulumi.Output<string> {
    const network = new gcp.compute.Network(
      'network',
      {
        project,
        name: `reseal-${stack}`,
        description: 'Batches of Reseal',
        autoCreateSubnetworks: false,
      },
      this.child,
    );
    const subnetwork = new gcp.compute.Subnetwork(
      'subnetwork',
      {
        project,
        name: `reseal-${stack}`,
        region: location,
        network: network.name,
        ipCidrRange: cidr,
        privateIpGoogleAccess: true,
      },
      this.child,
    );
    new gcp.compute.Firewall(
      'between-batch-machines',
      {
        project,
        name: `reseal-${stack}-batch`,
        network: network.name,
        description: 'Driver and executors of a batch, among themselves',
        direction: 'INGRESS',
        sourceRanges: [cidr],
        destinationRanges: [cidr],
        allows: [{ protocol: 'all' }],
      },
      this.child,
    );
    return pulumi.interpolate`projects/${project}/regions/${location}/subnetworks/${subnetwork.name}`;
  }
}
