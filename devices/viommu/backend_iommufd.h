/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend that the host's IOMMU carries out: the guest's first-stage tables are nested on the VMM's second stage and walked by
 * hardware. For functions assigned by VFIO behind one host IOMMU.
 *
 * A configuration becomes an attachment: blocked is detached, bypass is the nest parent, a table is a nested HWPT of its own. Intel's is made
 * before and destroyed after the exchange, on AMD the device is detached in between. The host reports no faults to user space: what hardware
 * refuses is in the host's log.
 */
#ifndef NIDUS_BACKEND_IOMMUFD_H
#define NIDUS_BACKEND_IOMMUFD_H

#include "devices/viommu/s1.h"

struct vfio_dev;

/*
 * first: a device behind that IOMMU, already attached to a nest parent; it says what the IOMMU can do. -ENOMEM. A device whose IOMMU can do
 * less is refused by dev_add(): -EOPNOTSUPP.
 */
int backend_iommufd_create(const struct vfio_dev *first, struct s1_backend *out) __must_check;

#endif
