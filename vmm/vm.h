/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One virtual machine from configuration to exit status.
 */
#ifndef NIDUS_VM_H
#define NIDUS_VM_H

#include "vmm/config.h"

/*
 * Runs the VM of c until it ends and returns nidus's exit status (config.h). Errors were told by log_error. Everything that was opened, locked, mapped
 * or switched (terminal mode included) is given back. The calling thread becomes the event thread; SIGPIPE and SIGXFSZ are
 * ignored from here on. c must have passed config_check().
 */
int vm_run(const struct vm_config *c) __must_check;

#endif
