/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/check_vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vmm/abi_vfio.h"
#include "vmm/host_pci.h"
#include "vmm/iommufd.h"

struct out {
	check_add_fn add;
	void *arg;
};

static void tell(const struct out *o, const char *what, bool ok, const char *remedy, const char *fmt, ...) __printf(5, 6);
static void tell(const struct out *o, const char *what, bool ok, const char *remedy, const char *fmt, ...)
{
	char detail[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	o->add(o->arg, what, ok, detail, ok ? "" : remedy);
}

static void check_iommufd(const struct out *o, const struct vm_config *c, struct iommufd *f)
{
	int err = iommufd_open(f, c->iommufd_fd);

	if (!err)
		tell(o, "iommufd", true, "", "%s can be opened by this user", IOMMUFD_NODE);
	else if (err == -EACCES || err == -EPERM)
		tell(o, "iommufd", false, "give this user access to it (chown or a udev rule)", "%s: %s", IOMMUFD_NODE, strerror(-err));
	else
		tell(o, "iommufd", false, "use a kernel with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV (Debian's own kernels have them off), and modprobe iommufd",
		     "%s: %s", IOMMUFD_NODE, strerror(-err));
}

static void check_memlock(const struct out *o, const struct vm_config *c)
{
	unsigned long long need = c->mem_bytes >> 20;
	struct rlimit rl = { 0 };

	if (getrlimit(RLIMIT_MEMLOCK, &rl) || rl.rlim_max == RLIM_INFINITY)
		tell(o, "memlock", true, "", "RAM of guests may be pinned without limit");
	else if (geteuid() == 0)
		tell(o, "memlock", true, "", "this user may pin beyond its limit of %llu MiB", (unsigned long long)rl.rlim_max >> 20);
	else
		tell(o, "memlock", rl.rlim_max >> 20 >= need, "raise it (ulimit -l, LimitMEMLOCK= of a service) to the RAM of all VMs of this user",
		     "%llu MiB may be pinned over all VMs of this user, a guest of the default size needs %llu", (unsigned long long)rl.rlim_max >> 20, need);
}

static void check_group(const struct out *o, const struct host_pci *h, const char *sys)
{
	char member[HOST_GROUP_MAX][HOST_BDF_LEN], remedy[160];
	int n = host_pci_group(sys, h->group, member, HOST_GROUP_MAX);

	for (int i = 0; i < MIN(n, HOST_GROUP_MAX); i++) {
		struct host_pci m;

		if (strcmp(member[i], h->bdf) == 0 || host_pci_read(sys, member[i], &m) || host_pci_harmless(&m))
			continue;
		snprintf(remedy, sizeof(remedy), "nidus bind %s", m.bdf);
		tell(o, "group", false, remedy, "%s: %s shares IOMMU group %d and is bound to %s", h->bdf, m.bdf, h->group, m.driver);
		return;
	}
	tell(o, "group", true, "", "%s: IOMMU group %d, %d member%s, none held by a host driver", h->bdf, h->group, n, n == 1 ? "" : "s");
}

/* Asks the IOMMU itself: the device is bound for the length of this. False: it could not be asked. */
static bool ask_iommu(struct iommufd *f, const struct host_pci *h, struct iommufd_hw *hw)
{
	struct vfio_bind b = { .argsz = sizeof(b), .iommufd = f->fd };
	char path[HOST_NAME_LEN + 32];
	bool known;
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", h->cdev);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	known = ioctl(fd, VFIO_BIND_IOMMUFD, &b) == 0 && iommufd_hw_info(f, b.out_devid, hw) == 0;
	close(fd);
	return known;
}

/* Not a failure: a device whose IOMMU cannot nest can still be assigned with viommu=off. */
static void check_nest(const struct out *o, struct iommufd *f, const struct host_pci *h, const char *sys)
{
	struct iommufd_hw hw = { 0 };
	const char *missing;

	if (!h->cdev[0] || f->fd < 0 || !ask_iommu(f, h, &hw)) {
		hw.type = host_pci_vtd_caps(sys, h->iommu, &hw.vtd.cap, &hw.vtd.ecap) == 0 ? IOMMUFD_HW_VTD : IOMMUFD_HW_NONE;
	}
	missing = iommufd_cannot_nest(&hw);
	if (missing)
		tell(o, "nest", true, "", "%s: can nest: no, because %s lacks %s; assign it with viommu=off", h->bdf,
		     h->iommu[0] ? h->iommu : "its IOMMU", missing);
	else
		tell(o, "nest", true, "", "%s: can nest: yes (%s)", h->bdf, h->iommu);
}

static void check_function(const struct out *o, struct iommufd *f, const char *bdf, const char *sys)
{
	char remedy[64];
	struct host_pci h;

	if (host_pci_read(sys, bdf, &h)) {
		tell(o, "function", false, "lspci -D lists what there is", "%s: there is no such PCI function", bdf);
		return;
	}
	snprintf(remedy, sizeof(remedy), "nidus bind %s", bdf);
	tell(o, "function", strcmp(h.driver, "vfio-pci") == 0, remedy, "%s (%04x:%04x) is bound to %s", bdf, h.vendor, h.device,
	     h.driver[0] ? h.driver : "no driver");
	if (h.group < 0) {
		tell(o, "iommu", false, "switch it on in the firmware and boot the host with intel_iommu=on,sm_on (Intel)", "%s: no IOMMU in front of it",
		     bdf);
		return;
	}
	check_group(o, &h, sys);
	if (strcmp(h.driver, "vfio-pci") == 0)
		tell(o, "cdev", h.cdev[0], "use a kernel with CONFIG_VFIO_DEVICE_CDEV (Debian's own kernels have it off)", "%s: %s%s", bdf,
		     h.cdev[0] ? "/dev/vfio/devices/" : "this kernel gives no device file", h.cdev);
	check_nest(o, f, &h, sys);
}

void check_vfio(const struct vm_config *c, const char *sys, check_add_fn add, void *arg)
{
	const struct out o = { add, arg };
	struct iommufd f = { .fd = -1 };

	if (!c->n_vfios)
		return;
	check_iommufd(&o, c, &f);
	check_memlock(&o, c);
	for (unsigned i = 0; i < c->n_vfios; i++)
		check_function(&o, &f, c->vfios[i].bdf, sys);
	iommufd_close(&f);
}
