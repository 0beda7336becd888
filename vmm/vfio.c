/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An assigned device's life, from its name on the command line to its end. Start-up is in the order of vfio.h: what the host cannot do is
 * found before there is guest RAM, and told with the remedy.
 */
#include "vmm/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "vmm/kvm_vfio.h"
#include "vmm/log.h"
#include "vmm/report.h"
#include "vmm/vfio_priv.h"

#define CDEV_DIR "/dev/vfio/devices"
#define IOMMU_OFF_HINT "switch it on in the firmware and boot the host with intel_iommu=on,sm_on (Intel)"

int vfio_ioctl_val(const struct vfio_dev *d, unsigned long req, void *arg)
{
	int r;

	do
		r = ioctl(d->fd, req, arg);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int vfio_ioctl(const struct vfio_dev *d, unsigned long req, void *arg)
{
	int r = vfio_ioctl_val(d, req, arg);

	return MIN(r, 0);
}

/* --- what the rest of the VMM asks --- */

struct iommufd *vfio_iommufd(const struct vfio_dev *d)
{
	return &d->v->iommufd;
}

u32 vfio_dev_id(const struct vfio_dev *d)
{
	return d->id;
}

const struct iommufd_hw *vfio_hw(const struct vfio_dev *d)
{
	return &d->hw;
}

u32 vfio_parent(const struct vfio_dev *d)
{
	return d->parent;
}

const char *vfio_host_iommu(const struct vfio_dev *d)
{
	return d->iommu;
}

/* Between two tries, and how many. */
#define BUSY_PAUSE_MS 10
#define BUSY_TRIES 300

static int attach(struct vfio_dev *d, u32 pt)
{
	struct vfio_attach_pt a = { .argsz = sizeof(a), .pt_id = pt };

	__atomic_fetch_add(&d->v->attaches, 1, __ATOMIC_RELAXED);
	return vfio_ioctl(d, VFIO_ATTACH_PT, &a);
}

int vfio_attach(struct vfio_dev *d, u32 pt)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_MS * 1000000 };
	int err = -EIO;

	pthread_mutex_lock(&d->dma);
	/* A device that could not be blocked once gets nothing more. */
	if (!__atomic_load_n(&d->cut, __ATOMIC_SEQ_CST))
		err = attach(d, pt);
	/*
	 * Busy: somebody else on the host is resetting it, and the kernel keeps it blocked. Waiting is all that is safe: a kernel with
	 * CVE-2026-52952 loses a detach in that time and brings the old table back afterwards.
	 */
	for (unsigned i = 0; err == -EBUSY && i < BUSY_TRIES; i++) {
		nanosleep(&pause, NULL);
		err = attach(d, pt);
	}
	d->attached |= !err;
	pthread_mutex_unlock(&d->dma);
	return err;
}

int vfio_detach(struct vfio_dev *d)
{
	struct vfio_detach_pt a = { .argsz = sizeof(a) };
	int err;

	pthread_mutex_lock(&d->dma);
	err = d->attached ? vfio_ioctl(d, VFIO_DETACH_PT, &a) : 0;
	if (!err)
		d->attached = false;
	pthread_mutex_unlock(&d->dma);
	return err;
}

void vfio_cut(struct vfio_dev *d)
{
	u8 cmd[2];

	__atomic_store_n(&d->cut, true, __ATOMIC_SEQ_CST);
	put_le(cmd, 2, PCI_COMMAND_MEMORY);
	if (pwrite(d->fd, cmd, 2, (off_t)(d->cfg_off + PCI_COMMAND)) != 2)
		log_error("%s: bus mastering cannot be switched off: %s", d->name, strerror(errno));
}

int vfio_on_reset(struct vfio_dev *d, void (*fn)(void *arg), void *arg)
{
	return event_bell_init(d->ctx->ev, &d->reset_done, fn, arg);
}

int vfio_dev_reset(struct vfio_dev *d)
{
	struct vfio_hot_reset hot = { .argsz = sizeof(hot) };
	int err;

	/* Never while another thread changes what its DMA undergoes: vfio_attach() says why. */
	pthread_mutex_lock(&d->dma);
	if (d->can_reset)
		err = vfio_ioctl(d, VFIO_RESET, NULL);
	else /* Works if everything on the bus is ours. */
		err = vfio_ioctl(d, VFIO_PCI_HOT_RESET, &hot);
	pthread_mutex_unlock(&d->dma);
	return err;
}

/* --- refusals --- */

static int no_iommufd(int err)
{
	if (err == -ENOENT || err == -ENODEV || err == -ENXIO)
		log_error("--vfio: the host has no " IOMMUFD_NODE ": it needs a kernel with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV "
			  "(Debian's own kernels have them off), and modprobe iommufd");
	else if (err == -EACCES || err == -EPERM)
		log_error("--vfio: " IOMMUFD_NODE ": %s: give this user access to it (chown or a udev rule)", strerror(-err));
	else
		log_error("--vfio: " IOMMUFD_NODE ": %s", strerror(-err));
	return EXIT_HOST;
}

/* Members of the group that a host driver holds make it impossible to assign one of them. */
static int check_group(const struct vfio_dev *d, const struct host_pci *h, const char *sys)
{
	char member[HOST_GROUP_MAX][HOST_BDF_LEN];
	int n = host_pci_group(sys, h->group, member, HOST_GROUP_MAX);

	for (int i = 0; i < MIN(n, HOST_GROUP_MAX); i++) {
		struct host_pci m;

		if (strcmp(member[i], d->bdf) == 0 || host_pci_read(sys, member[i], &m) || host_pci_harmless(&m))
			continue;
		log_error("--vfio %s: %s is in the same IOMMU group %d and bound to %s: run 'nidus bind %s' too, or unbind it", d->bdf, m.bdf,
			  h->group, m.driver, m.bdf);
		return EXIT_HOST;
	}
	return 0;
}

static int check_host(struct vfio_dev *d, const char *sys, struct host_pci *h)
{
	if (host_pci_read(sys, d->bdf, h)) {
		log_error("--vfio %s: there is no such PCI function (lspci -D lists them)", d->bdf);
		return EXIT_NOINPUT;
	}
	if (h->class >> 16 == 0x06) {
		log_error("--vfio %s: a bridge cannot be assigned: name a function behind it", d->bdf);
		return EXIT_HOST;
	}
	if (h->group < 0) {
		log_error("--vfio %s: there is no IOMMU in front of it: " IOMMU_OFF_HINT, d->bdf);
		return EXIT_HOST;
	}
	if (strcmp(h->driver, "vfio-pci") != 0) {
		log_error("--vfio %s: it is %s%s: run 'nidus bind %s' first", d->bdf, h->driver[0] ? "bound to the host driver " : "bound to no driver",
			  h->driver, d->bdf);
		return EXIT_HOST;
	}
	if (!h->cdev[0]) {
		log_error("--vfio %s: this kernel gives no device file for it: it needs CONFIG_VFIO_DEVICE_CDEV (Debian's own kernels have it off)",
			  d->bdf);
		return EXIT_HOST;
	}
	snprintf(d->iommu, sizeof(d->iommu), "%s", h->iommu);
	return check_group(d, h, sys);
}

static int refuse_bind(const struct vfio_dev *d, const struct host_pci *h, int err)
{
	/* A device file serves one holder: EINVAL is the kernel's word for a second one. */
	if (err == -EINVAL || err == -EBUSY)
		log_error("--vfio %s: it is already in use by another program%s", d->bdf,
			  err == -EBUSY ? ", or a function of its IOMMU group is: end it first" : ": end it first");
	else if (err == -EPERM)
		log_error("--vfio %s: the host cannot isolate its interrupts: it needs interrupt remapping (firmware, intremap=on)", d->bdf);
	else
		log_error("--vfio %s: it cannot be bound to " IOMMUFD_NODE ": %s", d->bdf, strerror(-err));
	return EXIT_HOST;
}

static int refuse_open(const struct vfio_dev *d, const char *path, int err)
{
	if (err == -EACCES || err == -EPERM)
		log_error("--vfio %s: %s: %s: give this user access to it (chown or a udev rule)", d->bdf, path, strerror(-err));
	else if (err == -EBUSY)
		log_error("--vfio %s: it is already in use by another program: end it first", d->bdf);
	else
		log_error("--vfio %s: %s: %s", d->bdf, path, strerror(-err));
	return EXIT_HOST;
}

/* --- opening and binding --- */

/* inherited: the device's own file, opened by whoever started nidus; < 0: opened here. */
static int open_file(struct vfio_dev *d, const struct host_pci *h, int inherited, const char *sys)
{
	char path[sizeof(CDEV_DIR) + HOST_NAME_LEN + 1];

	if (inherited >= 0 && !host_pci_is_cdev(sys, inherited, h->cdev)) {
		log_error("--vfio %s: descriptor %d is not open or not its device file: start nidus with " CDEV_DIR "/%s open for reading and writing as %d",
			  d->bdf, inherited, h->cdev, inherited);
		return EXIT_NOINPUT;
	}
	snprintf(path, sizeof(path), CDEV_DIR "/%s", h->cdev);
	d->fd = inherited >= 0 ? fcntl(inherited, F_DUPFD_CLOEXEC, 3) : open(path, O_RDWR | O_CLOEXEC);
	return d->fd < 0 ? refuse_open(d, path, -errno) : 0;
}

static int bind_device(struct vfio *v, struct vfio_dev *d, const struct host_pci *h)
{
	struct vfio_bind b = { .argsz = sizeof(b), .iommufd = v->iommufd.fd };
	struct vfio_info info = { .argsz = sizeof(info) };
	int err;

	err = kvm_vfio_file(v->kvm_fd, d->fd, true);
	if (err) {
		log_error("--vfio %s: KVM does not take it: %s", d->bdf, strerror(-err));
		return EXIT_HOST;
	}
	d->in_kvm = true;
	err = vfio_ioctl(d, VFIO_BIND_IOMMUFD, &b);
	if (err)
		return refuse_bind(d, h, err);
	d->bound = true;
	d->id = b.out_devid;
	err = vfio_ioctl(d, VFIO_GET_INFO, &info);
	if (err || !(info.flags & VFIO_INFO_PCI)) {
		log_error("--vfio %s: not a VFIO PCI device: %s", d->bdf, strerror(err ? -err : ENODEV));
		return EXIT_HOST;
	}
	d->can_reset = info.flags & VFIO_INFO_RESET;
	return 0;
}

/* --- what its DMA undergoes --- */

/* At most one function of a group may be behind a unit: its members share what the host applies. */
static int check_alone(const struct vfio *v, const struct vfio_dev *d, const char *sys)
{
	struct host_pci a, b;

	if (host_pci_read(sys, d->bdf, &a))
		return EXIT_HOST;
	for (unsigned i = 0; i < v->n; i++) {
		const struct vfio_dev *o = v->dev[i];

		if (o == d || host_pci_read(sys, o->bdf, &b) || a.group != b.group)
			continue;
		log_error("--vfio %s: %s is in the same IOMMU group %d: behind a vIOMMU only one of them can be assigned; give viommu=off to both, or "
			  "leave one out", d->bdf, o->bdf, a.group);
		return EXIT_HOST;
	}
	return 0;
}

/* A parent fits all devices whose host IOMMUs are alike; the kernel says -EINVAL where it does not. */
static int attach_parent(struct vfio_dev *d)
{
	struct vfio *v = d->v;
	int err = -EINVAL;
	u32 parent;

	for (unsigned i = 0; i < v->n && err == -EINVAL; i++) {
		if (!v->dev[i]->parent)
			continue;
		d->parent = v->dev[i]->parent;
		err = vfio_attach(d, d->parent);
	}
	if (err != -EINVAL)
		return err;
	d->parent = 0;
	err = iommufd_parent_alloc(&v->iommufd, d->id, v->ioas, &parent);
	if (err)
		return err;
	d->parent = parent;
	return vfio_attach(d, parent);
}

static int attach_device(struct vfio_dev *d, enum viommu_kind kind, const char *sys)
{
	int err = d->viommu ? vfio_check_nesting(d, kind) : 0;

	if (!err && d->viommu)
		err = check_alone(d->v, d, sys);
	if (err)
		return err;
	err = d->viommu ? attach_parent(d) : vfio_attach(d, d->v->ioas);
	if (!err)
		return 0;
	log_error("--vfio %s: the host's IOMMU does not take it%s: %s", d->bdf, d->viommu ? " as a parent of nested tables" : "", strerror(-err));
	return EXIT_HOST;
}

static int open_device(struct vfio *v, const struct vm_config *c, const struct vfio_cfg *cfg, const char *sys)
{
	struct vfio_dev *d = calloc(1, sizeof(*d));
	struct host_pci h;
	int status;

	if (!d) {
		log_error("--vfio: out of memory");
		return EXIT_HOST;
	}
	d->fd = -1;
	d->v = v;
	pthread_mutex_init(&d->dma, NULL);
	v->dev[v->n++] = d;
	snprintf(d->bdf, sizeof(d->bdf), "%s", cfg->bdf);
	snprintf(d->name, sizeof(d->name), "%s", cfg->id ? cfg->id : cfg->bdf);
	d->p2p = cfg->p2p == ON;
	d->viommu = c->viommu != VIOMMU_OFF && cfg->viommu != OFF;
	d->viommu_asked = cfg->viommu == ON;
	status = check_host(d, sys, &h);
	if (!status)
		status = open_file(d, &h, cfg->dev.fd, sys);
	return status ? status : bind_device(v, d, &h);
}

/* Every named function is looked at before the node is: the user's own mistakes come first. */
static int open_all(struct vfio *v, const struct vm_config *c, const struct kvm *k, const char *sys)
{
	int status = 0, err;

	for (unsigned i = 0; i < c->n_vfios; i++) {
		if (!host_pci_exists(sys, c->vfios[i].bdf)) {
			log_error("--vfio %s: there is no such PCI function (lspci -D lists them)", c->vfios[i].bdf);
			return EXIT_NOINPUT;
		}
	}
	err = iommufd_open(&v->iommufd, c->iommufd_fd);
	if (err)
		return no_iommufd(err);
	err = iommufd_ioas_alloc(&v->iommufd, &v->ioas);
	/* KVM's own descriptor says EINVAL, others ENOTTY. */
	if (c->iommufd_fd >= 0 && (err == -ENOTTY || err == -EINVAL)) {
		log_error("--iommufd: descriptor %d is not one of " IOMMUFD_NODE ": start nidus with that open as %d", c->iommufd_fd, c->iommufd_fd);
		return EXIT_NOINPUT;
	}
	if (!err)
		err = kvm_vfio_create(k, &v->kvm_fd);
	if (err) {
		log_error("--vfio: %s", strerror(-err));
		return EXIT_HOST;
	}
	for (unsigned i = 0; i < c->n_vfios && !status; i++)
		status = open_device(v, c, &c->vfios[i], sys);
	for (unsigned i = 0; i < v->n && !status; i++)
		status = attach_device(v->dev[i], c->viommu, sys);
	return status;
}

int vfio_create(const struct vm_config *c, const struct kvm *k, const char *sys, struct vfio **out)
{
	struct vfio *v;
	int status;

	*out = NULL;
	if (!c->n_vfios)
		return 0;
	v = calloc(1, sizeof(*v));
	if (!v) {
		log_error("--vfio: out of memory");
		return EXIT_HOST;
	}
	v->iommufd.fd = v->kvm_fd = -1;
	status = open_all(v, c, k, sys);
	if (status) {
		vfio_destroy(v);
		return status;
	}
	*out = v;
	return 0;
}

/* --- RAM --- */

static void raise_memlock(struct rlimit *rl)
{
	if (getrlimit(RLIMIT_MEMLOCK, rl) || rl->rlim_cur == rl->rlim_max)
		return;
	rl->rlim_cur = rl->rlim_max;
	/* If that fails, the mapping says what is missing. */
	(void)!setrlimit(RLIMIT_MEMLOCK, rl);
}

int vfio_map(struct vfio *v, struct mem *m)
{
	struct rlimit rl = { 0 };
	int err;

	if (!v)
		return 0;
	raise_memlock(&rl);
	err = iommufd_map_ram(&v->iommufd, v->ioas, m);
	if (err == -ENOMEM)
		log_error("--vfio: %llu MiB of guest RAM cannot be pinned: RLIMIT_MEMLOCK is %llu MiB for all VMs of this user: raise it "
			  "(ulimit -l, LimitMEMLOCK= of a service)", (unsigned long long)(mem_total_bytes(m) >> 20),
			  (unsigned long long)(rl.rlim_cur >> 20));
	else if (err)
		log_error("--vfio: guest RAM cannot be mapped into the host's IOMMU: %s", strerror(-err));
	return err ? EXIT_HOST : 0;
}

/* --- the function --- */

/* No interrupts, no DMA, power-on state. A device that cannot be reset at least stays silent: 0; neither: -errno. */
static int stop_device(struct vfio_dev *d)
{
	int quiet = vfio_cfg_quiet(d), err;

	vfio_irq_stop(d);
	err = vfio_dev_reset(d);
	if (err && d->can_reset)
		log_guest("%s: reset failed: %s", d->name, strerror(-err));
	/* A reset restores what was there before. */
	quiet = vfio_cfg_quiet(d) ? quiet : 0;
	return err && quiet ? err : 0;
}

/* Its DMA must be over when the next guest uses the memory. */
static void fn_reset(struct pci_fn *fn)
{
	struct vfio_dev *d = vfio_dev_of(fn);

	if (stop_device(d) == 0)
		return;
	vfio_cut(d);
	log_error("%s: it can neither be reset nor kept from the bus: the VM is stopped", d->name);
	if (vfio_detach(d))
		log_error("%s: nor can it be detached", d->name);
	d->ctx->machine(d->ctx->machine_arg, MACHINE_FAILED, 0);
}

/* The struct itself is vfio_destroy()'s. */
static void fn_destroy(struct pci_fn *fn)
{
	struct vfio_dev *d = vfio_dev_of(fn);

	if (d->live)
		(void)stop_device(d);
	vfio_irq_fini(d);
	vfio_bars_fini(d);
	vfio_cfg_fini(d);
	pci_fn_fini(fn);
}

static const struct pci_fn_ops ops = {
	.cfg_read = vfio_cfg_read,
	.cfg_write = vfio_cfg_write,
	.bar_read = vfio_bar_read,
	.bar_write = vfio_bar_write,
	.bar_mapped = vfio_bar_mapped,
	.msix_changed = vfio_msix_changed,
	.reset = fn_reset,
	.destroy = fn_destroy,
};

struct vfio_dev *vfio_of(const struct pci_fn *fn)
{
	return fn->ops == &ops ? CONTAINER_OF(fn, struct vfio_dev, fn) : NULL;
}

/* Function and root port, in this order: once plugged, the host bridge ends them. */
static int plug_fn(struct vfio_dev *d, const struct dev_ctx *ctx)
{
	static const struct pci_ids ids = { 0 };
	int dev = pci_free_dev(ctx->pci, PCI_DEV_ROOT_PORT), err = dev < 0 ? dev : pci_fn_init(&d->fn, &ops, &ids, d->name);
	struct pci_fn *port;

	if (err)
		return err;
	err = ctx->dma_for(ctx, &d->fn, d->viommu, &d->fn.dma);
	if (!err)
		err = vfio_bars_init(d);
	if (!err)
		err = pci_root_port_create(ctx->pci, (unsigned)dev, &port);
	if (!err)
		err = pci_plug(ctx->pci, port, 0, &d->fn);
	if (err)
		pci_fn_fini(&d->fn);
	return err;
}

static int plug_device(struct vfio_dev *d, const struct dev_ctx *ctx)
{
	int err;

	d->ctx = ctx;
	err = plug_fn(d, ctx);
	if (err)
		return err;
	err = vfio_irq_init(d);
	if (!err)
		err = vfio_cfg_init(d);
	if (!err)
		err = vfio_cfg_quiet(d);
	if (err)
		return err;
	err = vfio_dev_reset(d);
	if (err)
		log_warn("%s: it has no function level reset and its bus cannot be reset alone (%s): what the last user left in it is seen by "
			 "this guest, and the next one sees what this guest leaves", d->name, strerror(-err));
	err = vfio_cfg_quiet(d);
	if (!err)
		vfio_bars_map(d);
	if (!err)
		vfio_p2p_init(d);
	return err;
}

int vfio_plug(struct vfio *v, const struct dev_ctx *ctx)
{
	for (unsigned i = 0; v && i < v->n; i++) {
		int err = plug_device(v->dev[i], ctx);

		if (err) {
			log_error("--vfio %s: %s", v->dev[i]->bdf, err == -ENOSPC ? "no place on bus 0 for another root port: leave a device out" : strerror(-err));
			return err == -ENOSPC ? EXIT_USAGE : EXIT_HOST;
		}
	}
	return 0;
}

void vfio_eoi(void *arg, u32 line)
{
	struct vfio *v = arg;

	for (unsigned i = 0; i < v->n; i++)
		vfio_irq_eoi(v->dev[i], line);
}

static void fill(void *arg, struct report_obj *o)
{
	struct vfio *v = arg;

	report_u64(o, "calls", __atomic_load_n(&v->iommufd.calls, __ATOMIC_RELAXED));
	report_u64(o, "maps", __atomic_load_n(&v->iommufd.maps, __ATOMIC_RELAXED));
	report_u64(o, "attaches", __atomic_load_n(&v->attaches, __ATOMIC_RELAXED));
}

static void fill_device(void *arg, struct report_obj *o)
{
	const struct vfio_dev *d = arg;

	report_str(o, "bdf", d->bdf);
	report_bool(o, "viommu", d->viommu);
}

int vfio_report(struct vfio *v, struct report *r)
{
	int err = v ? report_section(r, "iommufd", fill, v) : 0;

	for (unsigned i = 0; v && i < v->n && !err; i++)
		err = report_section(r, v->dev[i]->name, fill_device, v->dev[i]);
	return err;
}

/* --- the end --- */

static void close_device(struct vfio_dev *d)
{
	int err = vfio_detach(d);

	if (err)
		log_debug("%s: detach: %s", d->name, strerror(-err));
	if (d->in_kvm)
		(void)!kvm_vfio_file(d->v->kvm_fd, d->fd, false);
	if (d->fd >= 0)
		close(d->fd);
}

void vfio_destroy(struct vfio *v)
{
	if (!v)
		return;
	for (unsigned i = 0; i < v->n; i++)
		close_device(v->dev[i]);
	/* Parents are shared, so they go when the last device is gone; then the space that they map. */
	for (unsigned i = 0; i < v->n; i++) {
		u32 parent = v->dev[i]->parent;

		for (unsigned j = 0; j < i; j++)
			parent = v->dev[j]->parent == parent ? 0 : parent;
		if (parent)
			(void)!iommufd_destroy(&v->iommufd, parent);
	}
	if (v->ioas)
		(void)!iommufd_destroy(&v->iommufd, v->ioas);
	iommufd_close(&v->iommufd);
	if (v->kvm_fd >= 0)
		close(v->kvm_fd);
	for (unsigned i = 0; i < v->n; i++) {
		event_bell_fini(&v->dev[i]->reset_done);
		pthread_mutex_destroy(&v->dev[i]->dma);
		free(v->dev[i]);
	}
	free(v);
}
