/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all units share: the register page, interrupts, fault delivery, and a unit's life. attach.c keeps what is in force for the devices,
 * space.c translates their DMA.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "devices/viommu/unit.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/mem.h"
#include "vmm/pci.h"

/* --- interrupts and faults --- */

void viommu_msi(struct viommu *v, u64 addr, u32 data)
{
	for (unsigned i = 0; i < v->n_irqs; i++) {
		if (v->irqs[i].addr == addr && v->irqs[i].data == data)
			return;
	}
	if (v->n_irqs == VIOMMU_MAX_IRQS)
		return;
	v->irqs[v->n_irqs].addr = addr;
	v->irqs[v->n_irqs++].data = data;
}

void viommu_raise_irqs(struct viommu *v)
{
	for (;;) {
		u64 addr;
		u32 data;

		pthread_mutex_lock(&v->lock);
		if (!v->n_irqs) {
			pthread_mutex_unlock(&v->lock);
			return;
		}
		v->n_irqs--;
		addr = v->irqs[v->n_irqs].addr;
		data = v->irqs[v->n_irqs].data;
		pthread_mutex_unlock(&v->lock);
		irq_msi(v->cfg.irq, v->sid, addr, data);
	}
}

/* lock held. */
void viommu_record(struct viommu_dev *d, const struct s1_fault *f)
{
	d->c.faults++;
	d->v->c.faults++;
	d->v->model->fault(d->v, f);
}

/* No lock held. One bucket per kind: a flood of one kind does not hide the others. */
void viommu_tell(struct viommu_dev *d, const struct s1_fault *f)
{
	struct viommu *v = d->v;
	char pasid[24] = "no PASID";
	const char *words = "";
	u16 reason = v->model->explain(f, &words);

	if (!reason)
		return;
	if (f->pasid != DMA_NO_PASID)
		snprintf(pasid, sizeof(pasid), "PASID 0x%x", f->pasid);
	log_guest_line(&v->fault_log[f->kind], "%s: %s by %02x:%02x.%x (%s), %s, address 0x%llx refused: reason 0x%02x, %s", v->cfg.name,
		       f->write ? "write" : "read", f->sid >> 8, (f->sid >> 3) & 31, f->sid & 7, d->fn->name ? d->fn->name : "?", pasid,
		       (unsigned long long)f->iova, reason, words);
}

/* --- guest structures --- */

/* Of an entry that keeps changing while it is read. */
#define MAX_REREADS 4

int viommu_fetch(const struct mem *mem, gpa_t gpa, u64 *qw, unsigned n)
{
	for (unsigned i = 0; i < MAX_REREADS; i++) {
		u64 first, again;

		if (mem_load(mem, gpa, 8, &first) < 0 || mem_read(mem, gpa, qw, 8 * n) < 0 || mem_load(mem, gpa, 8, &again) < 0)
			return -EFAULT;
		for (unsigned k = 0; k < n; k++)
			qw[k] = le64toh(qw[k]);
		if (first == again && qw[0] == first)
			return 0;
	}
	memset(qw, 0, 8 * n);
	return -EAGAIN;
}

static void queue_flush(void *ctx)
{
	viommu_flush(ctx);
}

static void queue_after(void *ctx)
{
	viommu_raise_irqs(ctx);
}

/* --- the register page --- */

static void on_written(void *ctx, unsigned reg, u64 written)
{
	struct viommu *v = ctx;

	v->model->written(v, reg, written);
}

static void mmio_read(void *dev, u64 off, unsigned size, u64 *val)
{
	struct viommu *v = dev;

	pthread_mutex_lock(&v->lock);
	v->c.accesses++;
	*val = reg_read(&v->regs, off, size);
	pthread_mutex_unlock(&v->lock);
}

static void mmio_write(void *dev, u64 off, unsigned size, u64 val)
{
	struct viommu *v = dev;
	bool cmd, kick;
	u64 what;

	pthread_mutex_lock(&v->lock);
	v->c.accesses++;
	v->cmd_wanted = v->kick_wanted = false;
	reg_write(&v->regs, off, size, val, on_written, v);
	cmd = v->cmd_wanted;
	kick = v->kick_wanted;
	what = v->cmd;
	pthread_mutex_unlock(&v->lock);
	if (cmd) {
		pthread_mutex_lock(&v->queue.run);
		v->queue.calls = 0;
		v->model->command(v, what);
		viommu_flush(v);
		pthread_mutex_unlock(&v->queue.run);
	}
	if (cmd || kick)
		queue_kick(&v->queue);
	viommu_raise_irqs(v);
}

static const struct region_ops mmio_ops = { .read = mmio_read, .write = mmio_write };

/* --- faults found by the host --- */

static struct viommu_dev *by_s1(struct viommu *v, const struct s1_dev *s1)
{
	for (struct viommu_dev *d = v->devs; d; d = d->next) {
		if (d->s1 == s1)
			return d;
	}
	return NULL;
}

static void on_host_fault(void *arg, u32 events)
{
	struct viommu *v = arg;
	const struct s1_backend *b = &v->cfg.backend;
	struct s1_dev *s1;
	struct s1_fault f;

	/* Bounded: what is left makes the descriptor readable again. */
	for (unsigned i = 0; i < 64 && b->ops->read_event(b->be, &s1, &f) == 1; i++) {
		struct viommu_dev *d = by_s1(v, s1);

		if (!d || f.kind >= S1_FAULT_KINDS)
			continue;
		f.sid = pci_fn_sid(d->fn);
		pthread_mutex_lock(&v->lock);
		viommu_record(d, &f);
		pthread_mutex_unlock(&v->lock);
		viommu_tell(d, &f);
	}
	viommu_raise_irqs(v);
}

/* --- life --- */

static const struct viommu_model *model_of(enum viommu_kind kind)
{
	return kind == VIOMMU_VTD ? &vtd_model : kind == VIOMMU_AMDVI ? &amdvi_model : NULL;
}

u32 viommu_mmio_len(enum viommu_kind kind)
{
	const struct viommu_model *model = model_of(kind);

	return model ? model->mmio_len : 0;
}

static int unit_init(struct viommu *v)
{
	const struct s1_backend *b = &v->cfg.backend;
	struct region r = { .base = v->cfg.base, .len = v->model->mmio_len, .ops = &mmio_ops, .dev = v, .name = "viommu" };
	struct queue_ops *qo = &v->queue_ops;
	int err, fd = b->ops->event_fd ? b->ops->event_fd(b->be) : -1;

	*qo = (struct queue_ops){ .pending = v->model->pending, .step = v->model->step, .flush = queue_flush, .after = queue_after };
	err = queue_init(&v->queue, v->cfg.ev, &v->lock, qo, v);
	if (err)
		return err;
	if (fd >= 0)
		err = event_add(v->cfg.ev, &v->host_faults, fd, EPOLLIN, on_host_fault, v);
	if (!err)
		err = bus_add(v->cfg.mmio, &r);
	if (err) {
		event_del(&v->host_faults);
		queue_fini(&v->queue);
		return err;
	}
	b->ops->probe(b->be, &v->caps);
	v->model->reset(v);
	return 0;
}

int viommu_create(const struct viommu_cfg *cfg, struct viommu **out)
{
	const struct viommu_model *model = model_of(cfg->kind);
	struct s1_backend b = cfg->backend;
	struct viommu *v;
	int err = model && cfg->haw >= 36 && cfg->haw <= 52 ? 0 : -EINVAL;

	if (!err && !b.ops)
		err = backend_soft_create(cfg->mem, cfg->haw, &b);
	if (err)
		goto fail_backend;
	err = -ENOMEM;
	v = calloc(1, model->size);
	if (!v)
		goto fail_backend;
	v->regs = (struct reg_file){ .desc = model->regs, .n = model->n_regs, .sizes = 4 | 8, .val = calloc(model->n_regs, sizeof(u64)) };
	if (!v->regs.val)
		goto fail_v;
	v->model = model;
	v->cfg = *cfg;
	v->cfg.backend = b;
	pthread_mutex_init(&v->lock, NULL);
	err = unit_init(v);
	if (err)
		goto fail_lock;
	*out = v;
	return 0;
fail_lock:
	pthread_mutex_destroy(&v->lock);
	free(v->regs.val);
fail_v:
	free(v);
fail_backend:
	if (b.ops)
		b.ops->destroy(b.be);
	return err;
}

void viommu_destroy(struct viommu *v)
{
	const struct s1_backend *b;

	if (!v)
		return;
	b = &v->cfg.backend;
	bus_remove(v->cfg.mmio, v->cfg.base);
	event_del(&v->host_faults);
	queue_fini(&v->queue);
	while (v->devs) {
		struct viommu_dev *d = v->devs;

		v->devs = d->next;
		b->ops->dev_del(b->be, d->s1);
		free(d->att);
		free(d);
	}
	b->ops->destroy(b->be);
	pthread_mutex_destroy(&v->lock);
	free(v->regs.val);
	free(v);
}

int viommu_add_fn(struct viommu *v, struct pci_fn *fn, struct dma **dma)
{
	const struct s1_backend *b = &v->cfg.backend;
	struct s1_config pass = { .kind = S1_BYPASS, .tag = S1_TAG_NONE };
	struct viommu_dev *d = calloc(1, sizeof(*d)), **end = &v->devs;
	int err = -ENOMEM;

	if (!d)
		return err;
	d->att = calloc(v->caps.max_configs, sizeof(*d->att));
	if (!d->att)
		goto fail;
	err = b->ops->dev_add(b->be, fn, &d->s1);
	if (err)
		goto fail;
	err = b->ops->set(b->be, d->s1, DMA_NO_PASID, &pass);
	if (err) {
		b->ops->dev_del(b->be, d->s1);
		goto fail;
	}
	d->v = v;
	d->fn = fn;
	d->dma = (struct dma){ .ops = &viommu_dma_ops, .mem = v->cfg.mem, .ctx = d };
	d->att[0] = (struct viommu_att){ .pasid = DMA_NO_PASID, .cfg = pass };
	d->n_att = 1;
	d->gone_shift = 12;
	for (; *end; end = &(*end)->next)
		d->index++;
	*end = d;
	*dma = &d->dma;
	return 0;
fail:
	free(d->att);
	free(d);
	return err;
}

void viommu_reset(struct viommu *v)
{
	pthread_mutex_lock(&v->queue.run);
	pthread_mutex_lock(&v->lock);
	v->model->reset(v);
	v->n_irqs = 0;
	v->queue.parked = false;
	pthread_mutex_unlock(&v->lock);
	viommu_forget(v);
	viommu_sync(v, 0, 0, VIOMMU_ALL_PASIDS);
	pthread_mutex_unlock(&v->queue.run);
}

void viommu_resync(struct viommu *v, struct pci_fn *fn)
{
	pthread_mutex_lock(&v->queue.run);
	for (struct viommu_dev *d = v->devs; d; d = d->next) {
		if (d->fn == fn)
			viommu_sync_dev(d, VIOMMU_ALL_PASIDS);
	}
	pthread_mutex_unlock(&v->queue.run);
	viommu_raise_irqs(v);
}

unsigned viommu_scopes(const struct viommu *v, struct viommu_scope *out, unsigned max)
{
	unsigned n = 0;

	for (struct viommu_dev *d = v->devs; d; d = d->next, n++) {
		const struct pci_fn *at = d->fn->parent ? d->fn->parent : d->fn;

		if (n < max)
			out[n] = (struct viommu_scope){ .bridge = d->fn->parent, .devfn = at->devfn, .sid = pci_fn_sid(d->fn) };
	}
	return n;
}

gpa_t viommu_base(const struct viommu *v)
{
	return v->cfg.base;
}

const char *viommu_name(const struct viommu *v)
{
	return v->cfg.name;
}

void viommu_count(struct viommu *v, struct viommu_counters *out)
{
	pthread_mutex_lock(&v->lock);
	*out = v->c;
	pthread_mutex_unlock(&v->lock);
}

bool viommu_count_fn(struct viommu *v, unsigned i, struct pci_fn **fn, struct viommu_counters *out)
{
	struct viommu_dev *d = v->devs;

	while (d && i--)
		d = d->next;
	if (!d)
		return false;
	pthread_mutex_lock(&v->lock);
	*fn = d->fn;
	*out = d->c;
	pthread_mutex_unlock(&v->lock);
	return true;
}
