/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of nidus check that is about PCI functions to be assigned: what stands in the way of each, from sysfs while it is not bound,
 * from the IOMMU itself once it is.
 */
#ifndef NIDUS_CHECK_VFIO_H
#define NIDUS_CHECK_VFIO_H

#include "vmm/config.h"

struct check_finding {
	const char *what, *bdf; /* bdf: of the function that it is about, or NULL */
	bool ok;
	enum tristate answer; /* to a question whose "no" is no failure: can its IOMMU nest, has it this bit; UNSET: it is none */
	const char *detail, *remedy; /* remedy: "" if there is nothing to do */
};

/* Receives one finding. The strings live until it returns. */
typedef void (*check_add_fn)(void *arg, const struct check_finding *f);

/* Everything about c->vfios; nothing if there are none. sys: HOST_SYS. Nothing stays open. */
void check_vfio(const struct vm_config *c, const char *sys, check_add_fn add, void *arg);

#endif
