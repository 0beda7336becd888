/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of nidus check that is about PCI functions to be assigned: what stands in the way of each, from sysfs while it is not bound,
 * from the IOMMU itself once it is.
 */
#ifndef NIDUS_CHECK_VFIO_H
#define NIDUS_CHECK_VFIO_H

#include "vmm/config.h"

/* Receives one finding. remedy: "" if there is nothing to do. The strings live until it returns. */
typedef void (*check_add_fn)(void *arg, const char *what, bool ok, const char *detail, const char *remedy);

/* Everything about c->vfios; nothing if there are none. sys: HOST_SYS. Nothing stays open. */
void check_vfio(const struct vm_config *c, const char *sys, check_add_fn add, void *arg);

#endif
