/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/check_vfio.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vmm/abi_vfio.h"
#include "vmm/host_pci.h"
#include "vmm/iommufd.h"

#define CDEV_DIR "/dev/vfio/devices"
#define KERNEL_REMEDY "use a kernel with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV (Debian's own kernels have them off), and modprobe iommufd"
/* Device files came with this release. */
#define KERNEL_MAJOR 6
#define KERNEL_MINOR 6

struct out {
	check_add_fn add;
	void *arg;
	const char *bdf;
};

static void put(const struct out *o, struct check_finding f, const char *fmt, va_list ap)
{
	char detail[160];

	vsnprintf(detail, sizeof(detail), fmt, ap);
	f.bdf = o->bdf;
	f.detail = detail;
	o->add(o->arg, &f);
}

static void tell(const struct out *o, const char *what, bool ok, const char *remedy, const char *fmt, ...) __printf(5, 6);
static void tell(const struct out *o, const char *what, bool ok, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(o, (struct check_finding){ .what = what, .ok = ok, .answer = UNSET, .remedy = ok ? "" : remedy }, fmt, ap);
	va_end(ap);
}

static void answer(const struct out *o, const char *what, bool yes, const char *fmt, ...) __printf(4, 5);
static void answer(const struct out *o, const char *what, bool yes, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(o, (struct check_finding){ .what = what, .ok = true, .answer = yes ? ON : OFF, .remedy = "" }, fmt, ap);
	va_end(ap);
}

/* --- the host as a whole --- */

static void check_kernel(const struct out *o)
{
	unsigned long major, minor;
	struct utsname u;
	char *dot;
	bool new;

	if (uname(&u))
		return;
	major = strtoul(u.release, &dot, 10);
	if (*dot != '.')
		return;
	minor = strtoul(dot + 1, NULL, 10);
	new = major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR);
	tell(o, "kernel", new, "use Linux 6.6 or newer with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV", "Linux %s%s%s", u.release,
	     new ? "" : ": too old to have device files for VFIO",
	     strstr(u.version, "Debian") ? ": Debian's own kernels have iommufd off" : "");
}

static void check_iommufd(const struct out *o, const struct vm_config *c, struct iommufd *f)
{
	int err = iommufd_open(f, c->iommufd_fd);

	if (!err)
		tell(o, "iommufd", true, "", "%s can be opened by this user", IOMMUFD_NODE);
	else if (err == -EACCES || err == -EPERM)
		tell(o, "iommufd", false, "give this user access to it (chown or a udev rule)", "%s: %s", IOMMUFD_NODE, strerror(-err));
	else
		tell(o, "iommufd", false, KERNEL_REMEDY, "%s: %s", IOMMUFD_NODE, strerror(-err));
}

/* Of one process, from its status file: the real user, and KiB pinned. False if it is gone or tells neither. */
static bool pinned_by(const char *pid, uid_t *uid, u64 *kib)
{
	char path[64], line[128];
	bool known = false;
	FILE *f;

	*kib = 0;
	snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "Uid:", 4) == 0) {
			*uid = (uid_t)strtoul(line + 4, NULL, 10);
			known = true;
		} else if (strncmp(line, "VmPin:", 6) == 0) {
			*kib = strtoull(line + 6, NULL, 10);
		}
	}
	fclose(f);
	return known;
}

/* Bytes that this user's processes have pinned already: the limit is one for all of them. */
static u64 pinned_bytes(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	u64 sum = 0, kib;
	uid_t uid;

	while (d && (e = readdir(d))) {
		if (isdigit((unsigned char)e->d_name[0]) && pinned_by(e->d_name, &uid, &kib) && uid == getuid())
			sum += kib << 10;
	}
	if (d)
		closedir(d);
	return sum;
}

/* CAP_IPC_LOCK: the limit is not for this user. */
static bool beyond_limit(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 } };

	return syscall(SYS_capget, &h, d) == 0 && (d[0].effective & BIT(CAP_IPC_LOCK));
}

static void check_memlock(const struct out *o, const struct vm_config *c)
{
	unsigned long long need = c->mem_bytes >> 20, others = pinned_bytes() >> 20;
	struct rlimit rl = { 0 };
	char remedy[160];

	if (getrlimit(RLIMIT_MEMLOCK, &rl) || rl.rlim_max == RLIM_INFINITY) {
		tell(o, "memlock", true, "", "RAM of guests may be pinned without limit; pinned by this user now: %llu MiB", others);
		return;
	}
	if (beyond_limit()) {
		tell(o, "memlock", true, "", "this user may pin beyond its limit of %llu MiB; pinned now: %llu MiB",
		     (unsigned long long)rl.rlim_max >> 20, others);
		return;
	}
	snprintf(remedy, sizeof(remedy), "raise it to the RAM of all VMs of this user: LimitMEMLOCK=%lluM in a service, or ulimit -l %llu",
		 need + others, (need + others) << 10);
	tell(o, "memlock", rl.rlim_max >> 20 >= need + others, remedy,
	     "%llu MiB may be pinned over all VMs of this user; needed are %llu for this one (-m) and %llu that are pinned already",
	     (unsigned long long)rl.rlim_max >> 20, need, others);
}

/* --- one function --- */

static void check_group(const struct out *o, const struct host_pci *h, const char *sys)
{
	char member[HOST_GROUP_MAX][HOST_BDF_LEN], remedy[64], list[96] = "";
	int n = host_pci_group(sys, h->group, member, HOST_GROUP_MAX);
	size_t at = 0;
	bool bad = false;

	for (int i = 0; i < MIN(n, HOST_GROUP_MAX); i++) {
		struct host_pci m;

		if (strcmp(member[i], h->bdf) == 0 || host_pci_read(sys, member[i], &m))
			continue;
		if (at + 1 < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s (%s)", at ? ", " : "", m.bdf, m.driver[0] ? m.driver : "no driver");
		if (bad || host_pci_harmless(&m))
			continue;
		bad = true;
		snprintf(remedy, sizeof(remedy), "nidus bind %s", m.bdf);
		tell(o, "group", false, remedy, "%s: %s shares IOMMU group %d and is bound to %s", h->bdf, m.bdf, h->group, m.driver);
	}
	if (!bad)
		tell(o, "group", true, "", "%s: IOMMU group %d, %s%s%s", h->bdf, h->group, n > 1 ? "with " : "alone in it", list,
		     n > 1 ? ": none held by a host driver" : "");
}

enum answer { ANSWER_NONE, ANSWER_IN_USE, ANSWER_KNOWN };

/* What the kernel lacks for AMD's tables to be nested, in words; NULL: nothing. */
static const char *try_amd(struct iommufd *f, u32 dev_id)
{
	const char *missing;
	int err;
	u32 ioas;

	err = iommufd_ioas_alloc(f, &ioas);
	if (err)
		return "memory for it";
	missing = iommufd_amd_probe(f, dev_id, ioas, &err);
	(void)!iommufd_destroy(f, ioas);
	return missing;
}

/* Asks the IOMMU itself: the device is bound for the length of this. */
static enum answer ask_iommu(struct iommufd *f, const struct host_pci *h, struct iommufd_hw *hw, const char **missing)
{
	struct vfio_bind b = { .argsz = sizeof(b), .iommufd = f->fd };
	char path[sizeof(CDEV_DIR) + HOST_NAME_LEN + 1];
	enum answer a = ANSWER_NONE;
	int fd;

	snprintf(path, sizeof(path), CDEV_DIR "/%s", h->cdev);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return ANSWER_NONE;
	if (ioctl(fd, VFIO_BIND_IOMMUFD, &b))
		a = errno == EINVAL || errno == EBUSY ? ANSWER_IN_USE : ANSWER_NONE;
	else if (iommufd_hw_info(f, b.out_devid, hw) == 0)
		a = ANSWER_KNOWN;
	if (a == ANSWER_KNOWN)
		*missing = iommufd_cannot_nest(hw);
	if (a == ANSWER_KNOWN && !*missing && hw->type == IOMMUFD_HW_AMD)
		*missing = try_amd(f, b.out_devid);
	close(fd);
	return a;
}

static void check_cdev(const struct out *o, const struct host_pci *h, enum answer a)
{
	char path[sizeof(CDEV_DIR) + HOST_NAME_LEN + 1];

	snprintf(path, sizeof(path), CDEV_DIR "/%s", h->cdev);
	if (!h->cdev[0])
		tell(o, "cdev", false, "use a kernel with CONFIG_VFIO_DEVICE_CDEV (Debian's own kernels have it off)",
		     "%s: this kernel gives no device file", h->bdf);
	else if (a == ANSWER_IN_USE)
		tell(o, "cdev", false, "end the VM or program that has it, or a function of its group", "%s: %s is in use", h->bdf, path);
	else if (a != ANSWER_KNOWN && access(path, R_OK | W_OK) && errno == EACCES)
		tell(o, "cdev", false, "give this user access to it (chown or a udev rule)", "%s: %s: %s", h->bdf, path, strerror(errno));
	else
		tell(o, "cdev", true, "", "%s: %s", h->bdf, path);
}

/* No failures: a device whose IOMMU cannot nest can still be assigned with viommu=off. */
static void tell_nest(const struct out *o, const struct host_pci *h, const struct iommufd_hw *hw, const char *missing, const char *source)
{
	const char *unit = h->iommu[0] ? h->iommu : "its IOMMU";
	struct iommufd_bit bit;

	if (missing)
		answer(o, "nest", false, "%s: can nest: no, because %s lacks %s; assign it with viommu=off", h->bdf, unit, missing);
	else
		answer(o, "nest", true, "%s: can nest: yes (%s)", h->bdf, unit);
	for (unsigned i = 0; iommufd_hw_bit(hw, i, &bit); i++)
		answer(o, "nest-bit", bit.set, "%s: %s %s: %s (%s, %s)", h->bdf, unit, bit.name, bit.set ? "yes" : "no",
		       bit.need ? "needed" : "used if there", source);
}

static void check_nest(const struct out *o, const struct host_pci *h, enum answer a, struct iommufd_hw *hw, const char *missing, const char *sys)
{
	const char *source = "the IOMMU says so";

	if (a != ANSWER_KNOWN) {
		*hw = (struct iommufd_hw){ .type = IOMMUFD_HW_NONE };
		if (host_pci_vtd_caps(sys, h->iommu, &hw->vtd.cap, &hw->vtd.ecap) == 0)
			hw->type = IOMMUFD_HW_VTD;
		if (host_pci_amd_efr(sys, h->iommu, &hw->amd.efr, &hw->amd.efr2) == 0) {
			hw->type = IOMMUFD_HW_AMD;
			hw->capabilities = IOMMUFD_CAP_NO_ATS;
		}
		missing = iommufd_cannot_nest(hw);
		if (!missing && hw->type == IOMMUFD_HW_AMD)
			missing = "a kernel that is known to nest AMD's tables (bind it, so that it can be tried)";
		source = "sysfs says so; bind it to ask the IOMMU";
	}
	tell_nest(o, h, hw, missing, source);
}

static void check_function(const struct out *o, struct iommufd *f, const char *bdf, const char *sys)
{
	struct iommufd_hw hw = { 0 };
	const char *missing = NULL;
	enum answer a = ANSWER_NONE;
	struct host_pci h;
	char remedy[64];
	bool bound;

	if (host_pci_read(sys, bdf, &h)) {
		tell(o, "function", false, "lspci -D lists what there is", "%s: there is no such PCI function", bdf);
		return;
	}
	if (h.class >> 16 == 0x06) {
		tell(o, "function", false, "name a function behind it", "%s: it is a bridge, which cannot be assigned", bdf);
		return;
	}
	bound = strcmp(h.driver, "vfio-pci") == 0;
	snprintf(remedy, sizeof(remedy), "nidus bind %s", bdf);
	tell(o, "function", bound, remedy, "%s (%04x:%04x) is bound to %s", bdf, h.vendor, h.device, h.driver[0] ? h.driver : "no driver");
	if (h.group < 0) {
		tell(o, "iommu", false, "switch it on in the firmware and boot the host with intel_iommu=on,sm_on (Intel)", "%s: no IOMMU in front of it",
		     bdf);
		return;
	}
	check_group(o, &h, sys);
	if (bound && h.cdev[0] && f->fd >= 0)
		a = ask_iommu(f, &h, &hw, &missing);
	if (bound)
		check_cdev(o, &h, a);
	check_nest(o, &h, a, &hw, missing, sys);
}

void check_vfio(const struct vm_config *c, const char *sys, check_add_fn add, void *arg)
{
	struct out o = { .add = add, .arg = arg };
	struct iommufd f = { .fd = -1 };

	if (!c->n_vfios) {
		int err = iommufd_open(&f, c->iommufd_fd);

		/* Who assigns nothing lacks nothing. */
		tell(&o, "vfio", true, "", "%s%s%s; 'nidus check BDF' says more of a PCI function", IOMMUFD_NODE, err ? ": --vfio cannot work: " : " is there",
		     err ? strerror(-err) : "");
		iommufd_close(&f);
		return;
	}
	check_kernel(&o);
	check_iommufd(&o, c, &f);
	check_memlock(&o, c);
	for (unsigned i = 0; i < c->n_vfios; i++) {
		o.bdf = c->vfios[i].bdf;
		check_function(&o, &f, o.bdf, sys);
	}
	iommufd_close(&f);
}
