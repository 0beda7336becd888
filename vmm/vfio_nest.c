/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a device can sit behind a unit: what its IOMMU and the host's kernel can do, asked of the device itself before there is guest RAM.
 */
#include <errno.h>

#include "vmm/log.h"
#include "vmm/vfio_priv.h"

static bool any_p2p(const struct vfio *v)
{
	for (unsigned i = 0; i < v->n; i++) {
		if (v->dev[i]->p2p)
			return true;
	}
	return false;
}

/* What is missing, in words that follow "lacks"; NULL: nothing. d->hw is known. */
static const char *missing_for(struct vfio_dev *d, enum viommu_kind kind, int *err)
{
	bool amd = d->hw.type == IOMMUFD_HW_AMD;
	const char *missing;

	if (kind == VIOMMU_AMDVI && d->hw.type == IOMMUFD_HW_VTD)
		return "AMD's table format (it is Intel's: --viommu vtd)";
	if (kind == VIOMMU_VTD && amd)
		return "Intel's table format (it is AMD's: --viommu amdvi)";
	missing = iommufd_cannot_nest(&d->hw);
	/* Memory that appears at any address later would make the host's table grow, and then it forgets the nested ones. */
	if (!missing && amd && any_p2p(d->v))
		missing = "a place for the memory of other devices beside nested tables: leave p2p=on out";
	if (!missing && amd)
		missing = iommufd_amd_probe(&d->v->iommufd, d->id, d->v->ioas, err);
	return missing;
}

int vfio_check_nesting(struct vfio_dev *d, enum viommu_kind kind)
{
	int err = iommufd_hw_info(&d->v->iommufd, d->id, &d->hw), said = 0;
	const char *missing = err ? NULL : missing_for(d, kind, &said);

	if (!err && !missing)
		return 0;
	if (kind == VIOMMU_AMDVI && !d->viommu_asked) {
		log_warn("--vfio %s: behind no vIOMMU, its DMA is not translated: the host's IOMMU %s %s%s%s%s (viommu=off says the same without this line)",
			 d->bdf, d->iommu, missing ? "lacks " : "does not say what it can do: ", missing ? missing : strerror(-err), said ? ": " : "",
			 said ? strerror(-said) : "");
		d->viommu = false;
		return 0;
	}
	log_error("--vfio %s: the host's IOMMU %s %s%s%s%s, so a guest's tables cannot be nested: give viommu=off to assign it without a vIOMMU",
		  d->bdf, d->iommu, missing ? "lacks " : "does not say what it can do: ", missing ? missing : strerror(-err), said ? ": " : "",
		  said ? strerror(-said) : "");
	return EXIT_HOST;
}

enum viommu_kind vfio_unit_kind(const struct vfio *v)
{
	for (unsigned i = 0; v && i < v->n; i++) {
		if (v->dev[i]->viommu && v->dev[i]->hw.type == IOMMUFD_HW_AMD)
			return VIOMMU_AMDVI;
	}
	return VIOMMU_VTD;
}
