/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts of an assigned function. VFIO allows one kind at a time; config space says which. MSI and MSI-X vectors are eventfds that KVM
 * injects from; an MSI-X vector exists in the host only once the guest has unmasked it. INTx comes to the event thread, is asserted,
 * and stays masked in the device until the guest's EOI.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/vfio_priv.h"

/* fds NULL: no data. 0, -errno, or of MSI and MSI-X how many vectors the host has, fewer than were wanted: then nothing is on. */
static int set_irqs(struct vfio_dev *d, u32 index, u32 flags, u32 start, u32 count, const s32 *fds)
{
	size_t len = sizeof(struct vfio_irq_request) + (fds ? count * sizeof(*fds) : 0);
	struct vfio_irq_request *r = calloc(1, len);
	int err;

	if (!r)
		return -ENOMEM;
	*r = (struct vfio_irq_request){ .argsz = (u32)len, .flags = flags, .index = index, .start = start, .count = count };
	if (fds)
		memcpy(r->fd, fds, count * sizeof(*fds));
	err = vfio_ioctl_val(d, VFIO_SET_IRQS, r);
	free(r);
	return err;
}

static int trigger(struct vfio_dev *d, u32 index, u32 start, u32 count, const s32 *fds)
{
	int err = set_irqs(d, index, VFIO_SET_EVENTFD | VFIO_SET_TRIGGER, start, count, fds);

	return err > 0 ? -ENOSPC : err;
}

/* --- INTx --- */

static void on_intx(void *arg)
{
	struct vfio_dev *d = arg;

	pthread_mutex_lock(&d->fn.lock);
	if (d->mode == VFIO_MODE_INTX) {
		d->intx_asserted = true;
		pci_intx(&d->fn, true);
	}
	pthread_mutex_unlock(&d->fn.lock);
}

static void intx_release(struct vfio_dev *d)
{
	if (d->intx_asserted)
		pci_intx(&d->fn, false);
	d->intx_asserted = false;
}

/* The line is shared: whoever asserts it lets go and asks its device again. */
void vfio_irq_eoi(struct vfio_dev *d, u32 line)
{
	pthread_mutex_lock(&d->fn.lock);
	if (d->mode == VFIO_MODE_INTX && d->intx_asserted) {
		int err;

		intx_release(d);
		err = set_irqs(d, VFIO_IRQ_INTX, VFIO_SET_NONE | VFIO_SET_UNMASK, 0, 1, NULL);
		if (err)
			log_guest("%s: INTx cannot be unmasked: %s", d->name, strerror(-err));
	}
	pthread_mutex_unlock(&d->fn.lock);
}

static int intx_start(struct vfio_dev *d)
{
	return trigger(d, VFIO_IRQ_INTX, 0, 1, &d->intx.src.fd);
}

/* --- vectors --- */

static void free_vectors(struct vfio_dev *d)
{
	for (unsigned i = 0; i < d->n_vec; i++)
		irq_vec_destroy(&d->vec[i]);
	free(d->vec);
	free(d->wired);
	d->vec = NULL;
	d->wired = NULL;
	d->n_vec = 0;
}

static int alloc_vectors(struct vfio_dev *d, unsigned n)
{
	d->vec = calloc(n, sizeof(*d->vec));
	d->wired = calloc(n, sizeof(*d->wired));
	if (!d->vec || !d->wired) {
		free_vectors(d);
		return -ENOMEM;
	}
	d->n_vec = n;
	return 0;
}

static int set_vector(struct vfio_dev *d, unsigned i, u64 addr, u32 data)
{
	int err = d->vec[i].irq ? 0 : irq_vec_create(d->ctx->irq, &d->vec[i]);

	return err ? err : irq_vec_set(&d->vec[i], pci_fn_sid(&d->fn), addr, data);
}

/* --- MSI --- */

static unsigned msi_count(const struct vfio_dev *d)
{
	u16 flags = (u16)get_le(d->fn.cfg + d->msi_cap + PCI_MSI_FLAGS, 2);

	/* Never more than the capability offers. */
	return 1U << MIN(FIELD_GET(PCI_MSI_FLAGS_QSIZE, flags), FIELD_GET(PCI_MSI_FLAGS_QMASK, flags));
}

static int msi_messages(struct vfio_dev *d)
{
	const u8 *c = d->fn.cfg + d->msi_cap;
	bool is64 = get_le(c + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_64BIT;
	u64 addr = get_le(c + PCI_MSI_ADDRESS_LO, is64 ? 8 : 4);
	u32 data = (u32)get_le(c + (is64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 2);
	int err = 0;

	/* The function puts its vector number into the low bits of the data. */
	for (unsigned i = 0; i < d->n_vec && !err; i++)
		err = set_vector(d, i, addr, (data & ~(d->n_vec - 1)) | i);
	return err;
}

/*
 * The host may have fewer vectors than the guest has enabled, down to one. A function that was given fewer messages than it asked for shares them
 * out among its events (PCI Local Bus 3.0 section 6.8.3), so interrupts come, if at another of the guest's vectors, instead of none.
 */
static int msi_trigger(struct vfio_dev *d, const s32 *fds)
{
	u32 n = d->n_vec;
	int r;

	while ((r = set_irqs(d, VFIO_IRQ_MSI, VFIO_SET_EVENTFD | VFIO_SET_TRIGGER, 0, n, fds)) > 0) {
		if (n == 1)
			return -ENOSPC;
		/* A power of two, and each time fewer. */
		do
			n /= 2;
		while (n > (u32)r);
	}
	if (!r && n < d->n_vec)
		log_guest("%s: the host has vectors for only %u of its %u messages", d->name, n, d->n_vec);
	return r;
}

static int msi_start(struct vfio_dev *d)
{
	s32 fds[32];
	int err = alloc_vectors(d, msi_count(d));

	if (!err)
		err = msi_messages(d);
	for (unsigned i = 0; i < d->n_vec && !err; i++)
		fds[i] = d->vec[i].fd;
	return err ? err : msi_trigger(d, fds);
}

/* --- MSI-X --- */

static int msix_vector(struct vfio_dev *d, unsigned i)
{
	const struct pci_msix *m = &d->fn.msix;
	s32 fd;
	int err;

	if (m->fn_masked || m->e[i].masked) {
		/* What the device signals meanwhile waits in the eventfd and is injected when KVM gets it back. */
		if (d->vec[i].irq)
			irq_vec_mask(&d->vec[i]);
		return 0;
	}
	err = set_vector(d, i, m->e[i].addr, m->e[i].data);
	if (err || d->wired[i])
		return err;
	fd = d->vec[i].fd;
	err = trigger(d, VFIO_IRQ_MSIX, i, 1, &fd);
	d->wired[i] = !err;
	return err;
}

/* Puts the device into MSI-X mode without a vector in use; where the kernel cannot add vectors later, with all of them. */
static int msix_start(struct vfio_dev *d)
{
	unsigned n = d->fn.msix.n, first = d->noresize ? n : 1;
	s32 *fds = malloc(first * sizeof(*fds));
	int err = fds ? alloc_vectors(d, n) : -ENOMEM;

	for (unsigned i = 0; fds && i < first; i++)
		fds[i] = -1;
	if (!err)
		err = trigger(d, VFIO_IRQ_MSIX, 0, first, fds);
	for (unsigned i = 0; i < n && !err; i++)
		err = msix_vector(d, i);
	free(fds);
	return err;
}

void vfio_msix_changed(struct pci_fn *fn, int vec)
{
	struct vfio_dev *d = vfio_dev_of(fn);
	int err = 0;

	if (vec < 0 || d->mode != VFIO_MODE_MSIX) {
		vfio_irq_sync(d);
		if (d->mode != VFIO_MODE_MSIX)
			return;
	}
	for (unsigned i = vec < 0 ? 0 : (unsigned)vec; i < d->n_vec && (vec < 0 || i == (unsigned)vec); i++) {
		int e = msix_vector(d, i);

		err = err ? err : e;
	}
	if (err)
		log_guest("%s: an MSI-X vector cannot be had: %s", d->name, strerror(-err));
}

/* --- which kind --- */

static const u32 index_of[] = { [VFIO_MODE_INTX] = VFIO_IRQ_INTX, [VFIO_MODE_MSI] = VFIO_IRQ_MSI, [VFIO_MODE_MSIX] = VFIO_IRQ_MSIX };

void vfio_irq_stop(struct vfio_dev *d)
{
	int err;

	if (d->mode == VFIO_MODE_NONE)
		return;
	/* Count 0: all of this kind. */
	err = set_irqs(d, index_of[d->mode], VFIO_SET_NONE | VFIO_SET_TRIGGER, 0, 0, NULL);
	if (err)
		log_guest("%s: interrupts cannot be switched off: %s", d->name, strerror(-err));
	intx_release(d);
	free_vectors(d);
	d->mode = VFIO_MODE_NONE;
}

static enum vfio_irq_mode wanted(const struct vfio_dev *d)
{
	const struct pci_fn *fn = &d->fn;

	if (fn->msix.n && (get_le(fn->cfg + fn->msix.cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE))
		return VFIO_MODE_MSIX;
	if (d->msi_cap && (get_le(fn->cfg + d->msi_cap + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE))
		return VFIO_MODE_MSI;
	/* A function that the guest has not even enabled has nothing to say. */
	if (fn->cfg[PCI_INTERRUPT_PIN] && (get_le(fn->cfg + PCI_COMMAND, 2) & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)))
		return VFIO_MODE_INTX;
	return VFIO_MODE_NONE;
}

void vfio_irq_sync(struct vfio_dev *d)
{
	enum vfio_irq_mode want = wanted(d);
	int err = 0;

	if (want == d->mode && want == VFIO_MODE_MSI && d->n_vec == msi_count(d)) {
		err = msi_messages(d);
	} else if (want != d->mode || want == VFIO_MODE_MSI) {
		vfio_irq_stop(d);
		d->mode = want;
		if (want == VFIO_MODE_INTX)
			err = intx_start(d);
		else if (want == VFIO_MODE_MSI)
			err = msi_start(d);
		else if (want == VFIO_MODE_MSIX)
			err = msix_start(d);
	}
	/* The mode stays: another try at each write of the guest would only repeat the line. */
	if (err)
		log_guest("%s: its interrupts cannot be had from the host: %s", d->name, strerror(-err));
}

/* --- errors, requests, life --- */

static void on_err(void *arg)
{
	struct vfio_dev *d = arg;

	log_error("%s (%s) reported an uncorrectable error: the VM is stopped; see the host's kernel log", d->name, d->bdf);
	d->ctx->machine(d->ctx->machine_arg, MACHINE_FAILED, 0);
}

static void on_req(void *arg)
{
	struct vfio_dev *d = arg;

	log_error("%s (%s) is wanted back by the host (unbound or removed): the VM is stopped", d->name, d->bdf);
	d->ctx->machine(d->ctx->machine_arg, MACHINE_FAILED, 0);
}

static int irq_info(struct vfio_dev *d)
{
	for (u32 i = 0; i < VFIO_IRQS; i++) {
		struct vfio_irq_reply r = { .argsz = sizeof(r), .index = i };
		int err = vfio_ioctl(d, VFIO_GET_IRQ_INFO, &r);

		/* Not every device has the last two. */
		if (err && i < VFIO_IRQ_ERR)
			return err;
		d->irq_count[i] = err ? 0 : r.count;
		if (i == VFIO_IRQ_MSIX && !err)
			d->noresize = r.flags & VFIO_IRQ_NORESIZE;
	}
	return 0;
}

int vfio_irq_init(struct vfio_dev *d)
{
	int err = irq_info(d);

	if (!err && d->irq_count[VFIO_IRQ_INTX])
		err = event_bell_init(d->ctx->ev, &d->intx, on_intx, d);
	if (!err && d->irq_count[VFIO_IRQ_ERR])
		err = event_bell_init(d->ctx->ev, &d->err, on_err, d);
	if (!err && d->irq_count[VFIO_IRQ_ERR])
		err = trigger(d, VFIO_IRQ_ERR, 0, 1, &d->err.src.fd);
	if (!err && d->irq_count[VFIO_IRQ_REQ])
		err = event_bell_init(d->ctx->ev, &d->req, on_req, d);
	if (!err && d->irq_count[VFIO_IRQ_REQ])
		err = trigger(d, VFIO_IRQ_REQ, 0, 1, &d->req.src.fd);
	if (err)
		vfio_irq_fini(d);
	return err;
}

void vfio_irq_fini(struct vfio_dev *d)
{
	vfio_irq_stop(d);
	if (d->err.src.ev)
		(void)set_irqs(d, VFIO_IRQ_ERR, VFIO_SET_NONE | VFIO_SET_TRIGGER, 0, 0, NULL);
	if (d->req.src.ev)
		(void)set_irqs(d, VFIO_IRQ_REQ, VFIO_SET_NONE | VFIO_SET_TRIGGER, 0, 0, NULL);
	event_bell_fini(&d->req);
	event_bell_fini(&d->err);
	event_bell_fini(&d->intx);
}
