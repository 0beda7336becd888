/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NIDUS_VFIO_SHOW_H
#define NIDUS_VFIO_SHOW_H

#include "vmm/config.h"

struct dev_ctx;
struct units;

/*
 * Plugs a stand-in for each assigned function of c, as far as sysfs tells: ids and BARs, below its root port and behind its unit. A function
 * that the host does not have is shown without ids and BARs. 0 or -errno; what was plugged is ctx->pci's. sys: HOST_SYS.
 */
int vfio_show(const struct vm_config *c, const char *sys, const struct dev_ctx *ctx, struct units *units) __must_check;

#endif
