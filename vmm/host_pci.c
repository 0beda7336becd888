/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_pci.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* As in the kernel's <linux/ioport.h>, which user space sees in `resource`. */
#define RES_IO 0x100
#define RES_PREFETCH 0x2000
#define RES_64 0x100000

/* --- names --- */

static bool hex(const char **s, unsigned digits, char *out)
{
	for (unsigned i = 0; i < digits; i++, (*s)++) {
		if (!isxdigit((unsigned char)**s))
			return false;
		out[i] = (char)tolower((unsigned char)**s);
	}
	return true;
}

int host_pci_parse(const char *s, char bdf[HOST_BDF_LEN])
{
	char out[HOST_BDF_LEN] = "0000:00:00.0";

	if (strlen(s) == HOST_BDF_LEN - 1) {
		if (!hex(&s, 4, out) || *s++ != ':')
			return -EINVAL;
	}
	if (!hex(&s, 2, out + 5) || *s++ != ':' || !hex(&s, 2, out + 8) || *s++ != '.' || *s < '0' || *s > '7' || s[1])
		return -EINVAL;
	out[11] = *s;
	/* Device numbers have five bits. */
	if (out[8] > '1')
		return -EINVAL;
	memcpy(bdf, out, sizeof(out));
	return 0;
}

static int device_path(char *buf, const char *sys, const char *bdf, const char *name)
{
	int n = snprintf(buf, PATH_MAX, "%s/bus/pci/devices/%s%s%s", sys, bdf, *name ? "/" : "", name);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* --- small files and links --- */

static int read_text(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return 0;
}

static int read_hex(const char *path, u64 *out)
{
	char text[32], *end;
	int err = read_text(path, text, sizeof(text));

	if (err)
		return err;
	errno = 0;
	*out = strtoull(text, &end, 16);
	return errno || end == text || *end ? -EINVAL : 0;
}

/* The last part of what a link points to; "" if there is none. */
static void link_name(const char *path, char out[HOST_NAME_LEN])
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *base;

	out[0] = 0;
	if (n < 0)
		return;
	target[n] = 0;
	base = strrchr(target, '/');
	snprintf(out, HOST_NAME_LEN, "%.63s", base ? base + 1 : target);
}

/* The one entry of a folder whose name begins with prefix. */
static void entry_name(const char *path, const char *prefix, char out[HOST_NAME_LEN])
{
	DIR *d = opendir(path);
	struct dirent *e;

	out[0] = 0;
	if (!d)
		return;
	while (!out[0] && (e = readdir(d))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0)
			snprintf(out, HOST_NAME_LEN, "%.63s", e->d_name);
	}
	closedir(d);
}

/* --- one function --- */

bool host_pci_exists(const char *sys, const char *bdf)
{
	char path[PATH_MAX];

	return device_path(path, sys, bdf, "") == 0 && access(path, F_OK) == 0;
}

static u64 number(const char *sys, const char *bdf, const char *name)
{
	char path[PATH_MAX];
	u64 v = 0;

	if (device_path(path, sys, bdf, name) || read_hex(path, &v))
		return 0;
	return v;
}

int host_pci_read(const char *sys, const char *bdf, struct host_pci *out)
{
	char path[PATH_MAX], group[HOST_NAME_LEN];
	struct host_pci p = { .group = -1 };

	if (!host_pci_exists(sys, bdf))
		return -ENOENT;
	snprintf(p.bdf, sizeof(p.bdf), "%s", bdf);
	p.vendor = (u16)number(sys, bdf, "vendor");
	p.device = (u16)number(sys, bdf, "device");
	p.class = (u32)number(sys, bdf, "class");
	/* The path fitted above; the names below are as short as "vendor". */
	(void)!device_path(path, sys, bdf, "driver");
	link_name(path, p.driver);
	(void)!device_path(path, sys, bdf, "iommu_group");
	link_name(path, group);
	if (group[0])
		p.group = (int)strtol(group, NULL, 10);
	(void)!device_path(path, sys, bdf, "iommu");
	link_name(path, p.iommu);
	(void)!device_path(path, sys, bdf, "vfio-dev");
	entry_name(path, "vfio", p.cdev);
	*out = p;
	return 0;
}

int host_pci_group(const char *sys, int group, char (*bdf)[HOST_BDF_LEN], unsigned max)
{
	char path[PATH_MAX];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%d/devices", sys, group);
	d = opendir(path);
	if (!d)
		return -errno;
	while ((e = readdir(d)) && n < HOST_GROUP_MAX) {
		char name[HOST_BDF_LEN];

		/* Platform devices may be members too; they have no such name. */
		if (host_pci_parse(e->d_name, name))
			continue;
		if (n < max)
			memcpy(bdf[n], name, sizeof(name));
		n++;
	}
	closedir(d);
	return (int)n;
}

bool host_pci_harmless(const struct host_pci *p)
{
	return !p->driver[0] || strcmp(p->driver, "vfio-pci") == 0 || p->class >> 8 == 0x0604;
}

bool host_pci_is_cdev(const char *sys, int fd, const char *cdev)
{
	char path[PATH_MAX], name[HOST_NAME_LEN];
	struct stat st;

	if (!cdev[0] || fstat(fd, &st) || !S_ISCHR(st.st_mode))
		return false;
	snprintf(path, sizeof(path), "%s/dev/char/%u:%u", sys, major(st.st_rdev), minor(st.st_rdev));
	link_name(path, name);
	return strcmp(name, cdev) == 0;
}

int host_pci_vtd_caps(const char *sys, const char *iommu, u64 *cap, u64 *ecap)
{
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/class/iommu/%s/intel-iommu/cap", sys, iommu);
	err = read_hex(path, cap);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/class/iommu/%s/intel-iommu/ecap", sys, iommu);
	return read_hex(path, ecap);
}

int host_pci_amd_efr(const char *sys, const char *iommu, u64 *efr, u64 *efr2)
{
	char path[PATH_MAX], text[64], *end;
	int err;

	snprintf(path, sizeof(path), "%s/class/iommu/%s/amd-iommu/features", sys, iommu);
	err = read_text(path, text, sizeof(text));
	if (err)
		return err;
	errno = 0;
	*efr = strtoull(text, &end, 16);
	if (errno || end == text || (*end && *end != ':'))
		return -EINVAL;
	/* Older kernels have the first only. */
	*efr2 = *end ? strtoull(end + 1, NULL, 16) : 0;
	return 0;
}

int host_pci_bars(const char *sys, const char *bdf, struct host_pci_bar bar[HOST_PCI_BARS])
{
	char path[PATH_MAX], line[128];
	FILE *f;

	if (device_path(path, sys, bdf, "resource"))
		return -ENAMETOOLONG;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	memset(bar, 0, HOST_PCI_BARS * sizeof(*bar));
	for (unsigned i = 0; i < HOST_PCI_BARS && fgets(line, sizeof(line), f); i++) {
		u64 start, end, flags;
		char *p = line;

		/* "0x... 0x... 0x..." */
		start = strtoull(p, &p, 16);
		end = strtoull(p, &p, 16);
		flags = strtoull(p, &p, 16);
		if (end <= start || !flags)
			continue;
		bar[i] = (struct host_pci_bar){
			.size = end - start + 1, .is64 = flags & RES_64, .prefetch = flags & RES_PREFETCH, .io = flags & RES_IO,
		};
	}
	fclose(f);
	return 0;
}

bool host_pci_has_driver(const char *sys, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s", sys, name) < (int)sizeof(path) && access(path, F_OK) == 0;
}

int host_pci_write(const char *sys, const char *bdf, const char *name, const char *text)
{
	char path[PATH_MAX];
	int fd, err = 0;
	int n = bdf ? snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", sys, bdf, name) :
		      snprintf(path, sizeof(path), "%s/bus/pci/%s", sys, name);

	if (n >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = -errno;
	close(fd);
	return err;
}
