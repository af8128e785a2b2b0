import * as gcp from '@pulumi/gcp';
import { Component, type StackArgs } from './component.ts';

/**
 * Writes every use of a KMS key to the project's audit logs: who decrypted, with which key, when. Encrypt and
 * Decrypt are data reads, which are not logged by default.
 * https://cloud.google.com/kms/docs/audit-logging
 */
export class Audit extends Component {
  constructor(name: string, { project }: StackArgs) {
    super('Audit', name);
    new gcp.projects.IAMAuditConfig(
      'kms-audit',
      {
        project,
        service: 'cloudkms.googleapis.com',
        auditLogConfigs: [{ logType: 'DATA_READ' }, { logType: 'DATA_WRITE' }],
      },
      this.child,
    );
    this.registerOutputs({});
  }
}
