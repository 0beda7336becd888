/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio over PCI, modern interface (virtio 1.2 section 4.1). One 64-bit BAR holds everything, see virtio_regs.h; five vendor capabilities point
 * into it. The life of a device:
 *
 * 1. Reset: status 0. 2. The driver reads the offered features by pages and writes its own. 3. FEATURES_OK sticks if they are acceptable.
 * 4. Queues get size, addresses and vector, and are enabled; from then on these cannot change. 5. DRIVER_OK starts the device.
 * 6. A doorbell's eventfd wakes the event thread, which calls ops->notify. 7. Status 0, or a reset of the PCI host, goes back to 1.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "devices/virtio_regs.h"
#include "vmm/config.h"
#include "vmm/host_error.h"
#include "vmm/log.h"

static struct virtio_dev *to_virtio(struct pci_fn *fn)
{
	return CONTAINER_OF(fn, struct virtio_dev, fn);
}

/* --- interrupts --- */

int virtio_irqfd(struct vq *q)
{
	return q->irq.irq ? 0 : irq_vec_create(q->dev->ctx->irq, &q->irq);
}

/* After a change of the queue's vector or of MSI-X. Where there is no irqfd, pci_msix_raise() sends the message. */
static void follow_vector(struct vq *q)
{
	const struct pci_fn *fn = &q->dev->fn;
	const struct pci_msix *m = &fn->msix;
	int err;

	if (!m->enabled || m->fn_masked || q->vector >= m->n || m->e[q->vector].masked) {
		if (q->irq.irq)
			irq_vec_mask(&q->irq);
		return;
	}
	err = virtio_irqfd(q);
	if (!err)
		err = irq_vec_set(&q->irq, pci_fn_sid(fn), m->e[q->vector].addr, m->e[q->vector].data);
	if (!err)
		return;
	log_guest("%s: no interrupt route for queue %u: %s", fn->name, q->index, strerror(-err));
	if (q->irq.irq)
		irq_vec_mask(&q->irq);
}

static void forget_interrupts(struct vq *q)
{
	u64 count;

	if (!q->irq.irq)
		return;
	irq_vec_mask(&q->irq);
	/* What was signalled for the driver that is gone. EAGAIN: nothing. */
	if (read(q->irq.fd, &count, sizeof(count)) < 0)
		return;
}

void virtio_raise(struct vq *q)
{
	struct virtio_dev *d = q->dev;
	const u64 one = 1;

	if (q->irq.attached && write(q->irq.fd, &one, sizeof(one)) == sizeof(one))
		return;
	if (!d->fn.msix.enabled)
		d->isr |= VIRTIO_ISR_QUEUE;
	if (q->vector != VIRTIO_MSI_NO_VECTOR)
		pci_msix_raise(&d->fn, q->vector);
}

static void raise_config(struct virtio_dev *d)
{
	d->isr |= VIRTIO_ISR_CONFIG;
	if (d->cfg_vector != VIRTIO_MSI_NO_VECTOR)
		pci_msix_raise(&d->fn, d->cfg_vector);
}

/* --- state --- */

void virtio_cfg_changed(struct virtio_dev *d)
{
	d->cfg_gen++;
	if (d->status & VIRTIO_STATUS_DRIVER_OK)
		raise_config(d);
}

void virtio_broken(struct virtio_dev *d, const char *why)
{
	if (d->broken)
		return;
	log_guest("%s: %s: the guest must reset the device", d->fn.name, why);
	d->broken = true;
	d->status |= VIRTIO_STATUS_NEEDS_RESET;
	if (d->status & VIRTIO_STATUS_DRIVER_OK)
		raise_config(d);
}

void virtio_kick(struct vq *q)
{
	const u64 one = 1;

	/* EAGAIN: the counter is full, so the bell is ringing already. */
	if (write(q->bell_fd, &one, sizeof(one)) < 0)
		return;
}

static void kick_all(struct virtio_dev *d)
{
	for (unsigned i = 0; i < d->n_queues; i++) {
		if (d->q[i].enabled)
			virtio_kick(&d->q[i]);
	}
}

static void on_bell(void *arg, u32 events)
{
	struct vq *q = arg;
	struct virtio_dev *d = q->dev;
	u64 count;

	if (read(q->bell_fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&d->fn.lock);
	if ((d->status & VIRTIO_STATUS_DRIVER_OK) && q->enabled && !d->broken && pci_bus_master_on(&d->fn))
		d->ops->notify(d, q);
	pthread_mutex_unlock(&d->fn.lock);
}

static void clear_state(struct virtio_dev *d)
{
	d->features = 0;
	d->dfsel = d->gfsel = 0;
	d->status = d->isr = 0;
	d->qsel = 0;
	d->cfg_vector = VIRTIO_MSI_NO_VECTOR;
	d->broken = false;
	for (unsigned i = 0; i < d->n_queues; i++) {
		struct vq *q = &d->q[i];

		q->size = q->max_size;
		q->enabled = false;
		q->desc = q->avail = q->used = 0;
		q->next_avail = q->next_used = q->avail_seen = q->signalled_used = 0;
		q->vector = VIRTIO_MSI_NO_VECTOR;
		forget_interrupts(q);
	}
}

static void reset(struct virtio_dev *d)
{
	if (d->ops->reset)
		d->ops->reset(d);
	d->generation++;
	clear_state(d);
}

/* NULL, or what is wrong with what the driver chose. */
static const char *features_fault(struct virtio_dev *d)
{
	u64 must = BIT(VIRTIO_F_VERSION_1) | (d->offered & BIT(VIRTIO_F_ACCESS_PLATFORM));

	if (d->features & ~d->offered)
		return "some are not offered";
	if ((d->features & must) != must)
		return "VERSION_1, or ACCESS_PLATFORM behind a vIOMMU, is missing";
	return d->ops->refuse ? d->ops->refuse(d) : NULL;
}

static void set_status(struct virtio_dev *d, u8 val)
{
	u8 added = val & ~d->status & ~VIRTIO_STATUS_NEEDS_RESET;
	const char *why = NULL;

	if (!val) {
		reset(d);
		return;
	}
	if (added & VIRTIO_STATUS_FEATURES_OK)
		why = features_fault(d);
	if (why) {
		log_guest("%s: the driver's features %#llx are not acceptable (offered %#llx): %s", d->fn.name, (unsigned long long)d->features,
			  (unsigned long long)d->offered, why);
		added &= ~VIRTIO_STATUS_FEATURES_OK;
	}
	/* A device cannot start before its features are agreed upon. */
	if (!((d->status | added) & VIRTIO_STATUS_FEATURES_OK))
		added &= ~VIRTIO_STATUS_DRIVER_OK;
	d->status |= added;
	/* One that broke before that has queues which it cannot serve. */
	if ((added & VIRTIO_STATUS_DRIVER_OK) && !d->broken) {
		if (d->ops->start)
			d->ops->start(d);
		kick_all(d);
	}
}

static void set_driver_features(struct virtio_dev *d, u32 val)
{
	unsigned shift = 32 * d->gfsel;

	if (d->gfsel > 1) {
		return;
	} else if (d->status & VIRTIO_STATUS_FEATURES_OK) {
		log_guest("%s: features written after FEATURES_OK", d->fn.name);
		return;
	}
	d->features = (d->features & ~(0xffffffffULL << shift)) | (u64)val << shift;
}

static u16 valid_vector(const struct virtio_dev *d, u64 val)
{
	return val < d->fn.msix.n ? (u16)val : VIRTIO_MSI_NO_VECTOR;
}

static void enable_queue(struct vq *q)
{
	const char *why = vq_fault(q);

	if (why)
		virtio_broken(q->dev, why);
	else
		q->enabled = true;
}

/* A 64-bit address is written whole or by halves. */
static void set_addr(iova_t *addr, unsigned off, unsigned size, u64 val)
{
	if (size == 8)
		*addr = val;
	else if (off & 4)
		*addr = (*addr & 0xffffffff) | val << 32;
	else
		*addr = (*addr & ~0xffffffffULL) | val;
}

static void queue_write(struct virtio_dev *d, unsigned off, unsigned size, u64 val)
{
	struct vq *q = d->qsel < d->n_queues ? &d->q[d->qsel] : NULL;

	if (!q)
		return;
	if (off == VIRTIO_PCI_COMMON_Q_VECTOR && size == 2) {
		q->vector = valid_vector(d, val);
		follow_vector(q);
	} else if (q->enabled) {
		return;
	} else if (size == 2) {
		if (off == VIRTIO_PCI_COMMON_Q_SIZE)
			q->size = (u16)val;
		else if (off == VIRTIO_PCI_COMMON_Q_ENABLE && val == 1)
			enable_queue(q);
	} else if (size == 8 || size == 4) {
		switch (size == 8 ? off : off & ~4U) {
		case VIRTIO_PCI_COMMON_Q_DESC:
			set_addr(&q->desc, off, size, val);
			break;
		case VIRTIO_PCI_COMMON_Q_AVAIL:
			set_addr(&q->avail, off, size, val);
			break;
		case VIRTIO_PCI_COMMON_Q_USED:
			set_addr(&q->used, off, size, val);
			break;
		}
	}
}

/* Only accesses of a field's own width do something (4.1.3.1); a 64-bit field may be written by halves. */
static void common_write(struct virtio_dev *d, unsigned off, unsigned size, u64 val)
{
	if (off == VIRTIO_PCI_COMMON_DFSELECT && size == 4)
		d->dfsel = (u32)val;
	else if (off == VIRTIO_PCI_COMMON_GFSELECT && size == 4)
		d->gfsel = (u32)val;
	else if (off == VIRTIO_PCI_COMMON_GF && size == 4)
		set_driver_features(d, (u32)val);
	else if (off == VIRTIO_PCI_COMMON_CFG_VECTOR && size == 2)
		d->cfg_vector = valid_vector(d, val);
	else if (off == VIRTIO_PCI_COMMON_STATUS && size == 1)
		set_status(d, (u8)val);
	else if (off == VIRTIO_PCI_COMMON_Q_SELECT && size == 2)
		d->qsel = (u16)val;
	else
		queue_write(d, off, size, val);
}

/* Nothing in the structure has a read side effect, so any access reads a piece of its image. */
static u64 common_read(const struct virtio_dev *d, unsigned off, unsigned size)
{
	u8 image[VIRTIO_PCI_COMMON_LEN + 8] = { 0 };

	if (off >= VIRTIO_PCI_COMMON_LEN)
		return 0;
	put_le(image + VIRTIO_PCI_COMMON_DFSELECT, 4, d->dfsel);
	put_le(image + VIRTIO_PCI_COMMON_DF, 4, d->dfsel > 1 ? 0 : d->offered >> (32 * d->dfsel));
	put_le(image + VIRTIO_PCI_COMMON_GFSELECT, 4, d->gfsel);
	put_le(image + VIRTIO_PCI_COMMON_GF, 4, d->gfsel > 1 ? 0 : d->features >> (32 * d->gfsel));
	put_le(image + VIRTIO_PCI_COMMON_CFG_VECTOR, 2, d->cfg_vector);
	put_le(image + VIRTIO_PCI_COMMON_NUMQ, 2, d->n_queues);
	image[VIRTIO_PCI_COMMON_STATUS] = d->status;
	image[VIRTIO_PCI_COMMON_CFGGENERATION] = d->cfg_gen;
	put_le(image + VIRTIO_PCI_COMMON_Q_SELECT, 2, d->qsel);
	if (d->qsel < d->n_queues) {
		const struct vq *q = &d->q[d->qsel];

		put_le(image + VIRTIO_PCI_COMMON_Q_SIZE, 2, q->size);
		put_le(image + VIRTIO_PCI_COMMON_Q_VECTOR, 2, q->vector);
		put_le(image + VIRTIO_PCI_COMMON_Q_ENABLE, 2, q->enabled);
		put_le(image + VIRTIO_PCI_COMMON_Q_NOFF, 2, q->index);
		put_le(image + VIRTIO_PCI_COMMON_Q_DESC, 8, q->desc);
		put_le(image + VIRTIO_PCI_COMMON_Q_AVAIL, 8, q->avail);
		put_le(image + VIRTIO_PCI_COMMON_Q_USED, 8, q->used);
	}
	return get_le(image + off, size);
}

static bool in_device_cfg(const struct virtio_dev *d, u64 off)
{
	return off >= VIRTIO_BAR_DEVICE && off - VIRTIO_BAR_DEVICE < d->cfg_len;
}

static void bar_read(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 *val)
{
	struct virtio_dev *d = to_virtio(fn);

	*val = 0;
	if (off < VIRTIO_BAR_ISR) {
		*val = common_read(d, (unsigned)off, size);
	} else if (off == VIRTIO_BAR_ISR) {
		*val = d->isr;
		d->isr = 0;
	} else if (in_device_cfg(d, off) && d->ops->cfg_read) {
		d->ops->cfg_read(d, (unsigned)(off - VIRTIO_BAR_DEVICE), size, val);
		*val &= size_mask(size);
	}
}

static void bar_write(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 val)
{
	struct virtio_dev *d = to_virtio(fn);

	val &= size_mask(size);
	if (off < VIRTIO_BAR_ISR) {
		common_write(d, (unsigned)off, size, val);
	} else if (in_device_cfg(d, off) && d->ops->cfg_write) {
		d->ops->cfg_write(d, (unsigned)(off - VIRTIO_BAR_DEVICE), size, val);
	} else if (off >= VIRTIO_BAR_NOTIFY && off - VIRTIO_BAR_NOTIFY < (u64)d->n_queues * VIRTIO_NOTIFY_STRIDE) {
		/* Only without a doorbell in the kernel or on the bus, and through the configuration window. */
		virtio_kick(&d->q[(off - VIRTIO_BAR_NOTIFY) / VIRTIO_NOTIFY_STRIDE]);
	}
}

static void bar_mapped(struct pci_fn *fn, unsigned bar, gpa_t gpa, bool mapped)
{
	struct virtio_dev *d = to_virtio(fn);

	for (unsigned i = 0; i < d->n_queues; i++) {
		u64 addr = gpa + VIRTIO_BAR_NOTIFY + i * VIRTIO_NOTIFY_STRIDE;

		if (!mapped)
			bus_doorbell_del(d->ctx->mmio, addr, 0, d->q[i].bell_fd);
		else if (bus_doorbell_add(d->ctx->mmio, addr, 0, d->q[i].bell_fd))
			log_guest("%s: no memory for a doorbell: it costs an exit", d->fn.name);
	}
}

/* Section 4.1.4.9: the window to the BAR for code that cannot map it. Where it points is the guest's: false if to nothing useful. */
static bool window(const struct virtio_dev *d, u64 *off, unsigned *size)
{
	const u8 *cap = d->fn.cfg + d->window_cap;

	*off = get_le(cap + VIRTIO_PCI_CAP_O_OFFSET, 4);
	*size = (unsigned)get_le(cap + VIRTIO_PCI_CAP_O_LENGTH, 4);
	return cap[VIRTIO_PCI_CAP_O_BAR] == VIRTIO_BAR && (*size == 1 || *size == 2 || *size == 4) && *off < VIRTIO_BAR_MSIX &&
	       IS_ALIGNED(*off, *size);
}

static bool hits_window(const struct virtio_dev *d, unsigned off, unsigned size)
{
	return range_overlaps(off, size, d->window_cap + VIRTIO_PCI_CAP_O_DATA, 4);
}

static u32 cfg_read(struct pci_fn *fn, unsigned off, unsigned size)
{
	struct virtio_dev *d = to_virtio(fn);
	u64 at, val;
	unsigned len;

	if (hits_window(d, off, size) && window(d, &at, &len)) {
		bar_read(fn, VIRTIO_BAR, at, len, &val);
		pci_cfg_set(fn, d->window_cap + VIRTIO_PCI_CAP_O_DATA, 4, val);
	}
	return pci_cfg_read_plain(fn, off, size);
}

static void cfg_write(struct pci_fn *fn, unsigned off, unsigned size, u32 val)
{
	struct virtio_dev *d = to_virtio(fn);
	unsigned len;
	u64 at;

	pci_cfg_write_plain(fn, off, size, val);
	if (hits_window(d, off, size) && window(d, &at, &len))
		bar_write(fn, VIRTIO_BAR, at, len, get_le(fn->cfg + d->window_cap + VIRTIO_PCI_CAP_O_DATA, 4));
}

static void bus_master(struct pci_fn *fn, bool on)
{
	struct virtio_dev *d = to_virtio(fn);

	if (d->ops->bus_master && (d->status & VIRTIO_STATUS_DRIVER_OK) && !(on && d->broken))
		d->ops->bus_master(d, on);
	/* Doorbells rung while the device could not reach memory. */
	if (on && (d->status & VIRTIO_STATUS_DRIVER_OK))
		kick_all(d);
}

static void msix_changed(struct pci_fn *fn, int vec)
{
	struct virtio_dev *d = to_virtio(fn);

	for (unsigned i = 0; i < d->n_queues; i++) {
		if (vec < 0 || d->q[i].vector == vec)
			follow_vector(&d->q[i]);
	}
}

static void pci_reset(struct pci_fn *fn)
{
	reset(to_virtio(fn));
}

static void destroy(struct pci_fn *fn)
{
	struct virtio_dev *d = to_virtio(fn);

	d->ops->destroy(d);
}

static const struct pci_fn_ops fn_ops = {
	.cfg_read = cfg_read,
	.cfg_write = cfg_write,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.bar_mapped = bar_mapped,
	.bus_master = bus_master,
	.msix_changed = msix_changed,
	.reset = pci_reset,
	.destroy = destroy,
};

/* 4.1.4: where a structure lies in the BAR. extra bytes follow. */
static int add_cap(struct virtio_dev *d, u8 type, u32 off, u32 len, unsigned extra)
{
	int cap = pci_add_cap(&d->fn, 0x09, VIRTIO_PCI_CAP_LEN + extra);

	if (cap < 0)
		return cap;
	pci_cfg_set(&d->fn, (unsigned)cap + VIRTIO_PCI_CAP_O_LEN, 1, VIRTIO_PCI_CAP_LEN + extra);
	pci_cfg_set(&d->fn, (unsigned)cap + VIRTIO_PCI_CAP_O_TYPE, 1, type);
	pci_cfg_set(&d->fn, (unsigned)cap + VIRTIO_PCI_CAP_O_BAR, 1, VIRTIO_BAR);
	pci_cfg_set(&d->fn, (unsigned)cap + VIRTIO_PCI_CAP_O_OFFSET, 4, off);
	pci_cfg_set(&d->fn, (unsigned)cap + VIRTIO_PCI_CAP_O_LENGTH, 4, len);
	return cap;
}

static int add_caps(struct virtio_dev *d)
{
	int cap;

	cap = add_cap(d, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_BAR_COMMON, VIRTIO_PCI_COMMON_LEN, 0);
	if (cap >= 0)
		cap = add_cap(d, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_BAR_ISR, 1, 0);
	if (cap >= 0 && d->cfg_len)
		cap = add_cap(d, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_BAR_DEVICE, d->cfg_len, 0);
	if (cap >= 0)
		cap = add_cap(d, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_BAR_NOTIFY, d->n_queues * VIRTIO_NOTIFY_STRIDE, 4);
	if (cap < 0)
		return cap;
	pci_cfg_set(&d->fn, (unsigned)cap + VIRTIO_PCI_CAP_O_DATA, 4, VIRTIO_NOTIFY_STRIDE);
	cap = add_cap(d, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 4);
	if (cap < 0)
		return cap;
	d->window_cap = (u16)cap;
	put_le(d->fn.wmask + cap + VIRTIO_PCI_CAP_O_BAR, 1, 0xff);
	memset(d->fn.wmask + cap + VIRTIO_PCI_CAP_O_OFFSET, 0xff, 12);
	return 0;
}

static int add_queues(struct virtio_dev *d, const struct virtio_spec *spec)
{
	d->q = calloc(spec->n_queues, sizeof(*d->q));
	if (!d->q)
		return -ENOMEM;
	for (unsigned i = 0; i < spec->n_queues; i++) {
		struct vq *q = &d->q[i];
		int err;

		*q = (struct vq){ .dev = d, .index = (u16)i, .max_size = spec->queue_size };
		q->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (q->bell_fd < 0)
			return -errno;
		d->n_queues = i + 1;
		if (i < spec->n_kernel)
			continue;
		err = event_add(d->ctx->ev, &q->bell, q->bell_fd, EPOLLIN, on_bell, q);
		if (err)
			return err;
	}
	return 0;
}

int virtio_init(struct virtio_dev *d, const struct dev_ctx *ctx, const struct virtio_ops *ops, const struct virtio_spec *spec, const char *name)
{
	const struct pci_ids ids = { VIRTIO_PCI_VENDOR, (u16)(VIRTIO_PCI_DEVICE_BASE + spec->type), VIRTIO_PCI_VENDOR, (u16)(0x40 + spec->type),
				     spec->class_rev | 1 };
	int dev = pci_free_dev(ctx->pci, PCI_DEV_VIRTIO);
	int err;

	if (dev < 0)
		return dev;
	if (!spec->n_queues || spec->n_queues > VIRTIO_MAX_QUEUES || spec->queue_size > VIRTIO_QUEUE_SIZE)
		return -EINVAL;
	err = pci_fn_init(&d->fn, &fn_ops, &ids, name);
	if (err)
		return err;
	d->fn.devfn = PCI_DEVFN(dev, 0);
	d->ops = ops;
	d->ctx = ctx;
	d->cfg_len = spec->cfg_len;
	d->offered = spec->features | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) |
		     (spec->viommu ? BIT(VIRTIO_F_ACCESS_PLATFORM) : 0);
	err = ctx->dma_for(ctx, &d->fn, spec->viommu, &d->fn.dma);
	if (!err)
		err = add_queues(d, spec);
	if (!err)
		err = pci_add_bar(&d->fn, VIRTIO_BAR, VIRTIO_BAR_SIZE, true, false);
	if (!err)
		err = pci_add_msix(&d->fn, VIRTIO_BAR, spec->n_queues + 1, VIRTIO_BAR_MSIX, VIRTIO_BAR_PBA);
	if (!err)
		err = add_caps(d);
	if (err) {
		virtio_fini(d);
		return err;
	}
	clear_state(d);
	return 0;
}

int virtio_plug(struct virtio_dev *d)
{
	return pci_plug(d->ctx->pci, NULL, d->fn.devfn, &d->fn);
}

void virtio_fini(struct virtio_dev *d)
{
	if (d->fn.bar[VIRTIO_BAR].mapped)
		bar_mapped(&d->fn, VIRTIO_BAR, d->fn.bar[VIRTIO_BAR].gpa, false);
	for (unsigned i = 0; i < d->n_queues; i++) {
		event_del(&d->q[i].bell);
		close(d->q[i].bell_fd);
		irq_vec_destroy(&d->q[i].irq);
	}
	free(d->q);
	d->q = NULL;
	d->n_queues = 0;
	pci_fn_fini(&d->fn);
}

int virtio_init_error(const char *name, int err)
{
	if (err == -ENOSPC) {
		log_error("%s: no room for another device on PCI bus 0: give fewer", name);
		return EXIT_USAGE;
	}
	log_error("%s: the device cannot be created: %s", name, host_error_text(err));
	return EXIT_HOST;
}

struct virtio_dev *virtio_from_fn(struct pci_fn *fn)
{
	return fn->ops == &fn_ops ? to_virtio(fn) : NULL;
}
