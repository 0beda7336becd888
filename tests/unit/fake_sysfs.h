/* SPDX-License-Identifier: Apache-2.0 */
/* A sysfs in a temporary folder, with the PCI functions that a test wants. */
#ifndef TESTS_FAKE_SYSFS_H
#define TESTS_FAKE_SYSFS_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

static inline void sysfs_file(const char *root, const char *path, const char *text)
{
	char full[PATH_MAX];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	/* Folders above it. */
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(full, 0755);
		*p = '/';
	}
	if (!text)
		return;
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline void sysfs_link(const char *root, const char *path, const char *target)
{
	char full[PATH_MAX];

	sysfs_file(root, path, NULL);
	snprintf(full, sizeof(full), "%s/%s", root, path);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

static inline void sysfs_new(char root[32])
{
	snprintf(root, 32, "/tmp/sysfs.XXXXXX");
	assert_non_null(mkdtemp(root));
	sysfs_file(root, "bus/pci/devices/", NULL);
	sysfs_file(root, "bus/pci/drivers_probe", "");
}

static inline int sysfs_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static inline void sysfs_del(const char *root)
{
	nftw(root, sysfs_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

struct sysfs_fn {
	const char *bdf;
	const char *class;  /* NULL: "0x010802" */
	const char *driver; /* NULL: none */
	int group;          /* -1: none */
	const char *cdev;   /* NULL: none */
	const char *iommu;  /* NULL: dmar0 */
};

static inline void sysfs_add(const char *root, const struct sysfs_fn *fn)
{
	char p[512], t[256];

#define AT(name) (snprintf(p, sizeof(p), "bus/pci/devices/%s/%s", fn->bdf, name), p)
	sysfs_file(root, AT("vendor"), "0x1b36\n");
	sysfs_file(root, AT("device"), "0x0010\n");
	sysfs_file(root, AT("class"), fn->class ? fn->class : "0x010802\n");
	sysfs_file(root, AT("driver_override"), "(null)\n");
	snprintf(t, sizeof(t), "../../virtual/iommu/%s", fn->iommu ? fn->iommu : "dmar0");
	sysfs_link(root, AT("iommu"), t);
	if (fn->driver) {
		snprintf(t, sizeof(t), "../../drivers/%s", fn->driver);
		sysfs_link(root, AT("driver"), t);
		snprintf(t, sizeof(t), "bus/pci/drivers/%s/unbind", fn->driver);
		sysfs_file(root, t, "");
	}
	if (fn->cdev) {
		snprintf(t, sizeof(t), "vfio-dev/%s/dev", fn->cdev);
		sysfs_file(root, AT(t), "510:0\n");
	}
	if (fn->group >= 0) {
		snprintf(t, sizeof(t), "../../kernel/iommu_groups/%d", fn->group);
		sysfs_link(root, AT("iommu_group"), t);
		snprintf(p, sizeof(p), "kernel/iommu_groups/%d/devices/%s", fn->group, fn->bdf);
		sysfs_link(root, p, "x");
	}
#undef AT
}

#endif
