/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DMA of the VMM's own devices, and the spans that live while a translation is in use.
 *
 * A completion the guest can see must mean that no DMA uses an old translation. Whoever ends translations (attach.c) first makes the
 * backend forget, then marks every live span that they cover as stale, under the lock that dma_get() holds from translating to linking
 * its span. So a span is either marked, or was translated after the backend forgot. Models show completions only while v->stale is 0; the
 * last dma_put() of a stale span lets them go on.
 *
 * Devices that keep translations without a span are told what is gone (dma_watch()), also before the completion: what was marked is noted
 * under the lock, viommu_tell_gone() says it without. The device's own lock orders that with translations it is just being given.
 */
#include <errno.h>

#include "devices/viommu/unit.h"
#include "vmm/mem.h"
#include "vmm/pci.h"

/* Layout of dma_span.tag. */
#define SPAN_TAG GENMASK(31, 0)
#define SPAN_SHIFT GENMASK(39, 32) /* log2 of the largest page it was translated by */
#define SPAN_DEV GENMASK(55, 40)
#define SPAN_STALE BIT(63)

/* --- live spans --- */

static void mark(struct viommu *v, struct dma_span *s)
{
	if (!(s->tag & SPAN_STALE))
		v->stale++;
	s->tag |= SPAN_STALE;
}

static bool inv_covers(const struct s1_inv *inv, const struct dma_span *s)
{
	u64 page = BIT(FIELD_GET(SPAN_SHIFT, s->tag)), last = inv->addr + (inv->npages << 12) - 1;

	if (inv->scope == S1_INV_ALL)
		return true;
	if (FIELD_GET(SPAN_TAG, s->tag) != inv->tag)
		return false;
	if (inv->scope == S1_INV_TAG)
		return true;
	if (viommu_entry_pasid(s->pasid) != inv->pasid)
		return false;
	/* A large page is gone as a whole, whichever part of it was named. */
	return inv->scope == S1_INV_PASID || (ALIGN_DOWN(s->iova, page) <= last && ((s->iova + s->len - 1) | (page - 1)) >= inv->addr);
}

/* --- devices that watch --- */

static void add_gone(struct viommu_dev *d, iova_t iova, iova_t last)
{
	if (!d->dma.gone)
		return;
	if (d->n_gone == ARRAY_SIZE(d->gone)) {
		d->n_gone = 0;
		iova = 0;
		last = ~0ULL;
	}
	d->gone[d->n_gone].iova = iova;
	d->gone[d->n_gone++].last = last;
}

/* What an invalidation covers of d's requests without PASID, large pages as a whole. */
static void gone_by_inv(struct viommu_dev *d, const struct s1_inv *inv)
{
	const struct s1_config *cfg = &d->att[0].cfg;
	u64 page = BIT(d->gone_shift), last = inv->addr + (inv->npages << 12) - 1;

	if (inv->scope != S1_INV_ALL && (cfg->tag != inv->tag || (inv->scope != S1_INV_TAG && inv->pasid)))
		return;
	if (inv->scope == S1_INV_RANGE)
		add_gone(d, ALIGN_DOWN(inv->addr, page), last | (page - 1));
	else
		add_gone(d, 0, ~0ULL);
}

void viommu_tell_gone(struct viommu *v)
{
	for (struct viommu_dev *d = v->devs; d; d = d->next) {
		iova_t range[VIOMMU_MAX_GONE][2];
		unsigned n;

		if (!d->dma.gone)
			continue;
		pthread_mutex_lock(&v->lock);
		n = d->n_gone;
		for (unsigned i = 0; i < n; i++) {
			range[i][0] = d->gone[i].iova;
			range[i][1] = d->gone[i].last;
		}
		d->n_gone = 0;
		pthread_mutex_unlock(&v->lock);
		for (unsigned i = 0; i < n; i++)
			d->dma.gone(d->dma.gone_arg, range[i][0], range[i][1]);
	}
}

/* --- marking --- */

void viommu_mark_inv(struct viommu *v, const struct s1_inv *inv)
{
	for (struct viommu_dev *d = v->devs; d; d = d->next)
		gone_by_inv(d, inv);
	for (struct dma_span *s = v->spans; s; s = s->next) {
		if (inv_covers(inv, s))
			mark(v, s);
	}
}

void viommu_mark_dev(struct viommu_dev *d, u32 pasid)
{
	if (viommu_entry_pasid(pasid) == 0)
		add_gone(d, 0, ~0ULL);
	for (struct dma_span *s = d->v->spans; s; s = s->next) {
		if (FIELD_GET(SPAN_DEV, s->tag) == d->index && viommu_entry_pasid(s->pasid) == viommu_entry_pasid(pasid))
			mark(d->v, s);
	}
}

/* --- DMA --- */

/* lock held. The configuration of a request; blocked states are read anew each time, so that faults say what is wrong now. */
static void find_cfg(struct viommu_dev *d, u32 pasid, struct s1_config *cfg)
{
	struct viommu_att *a = viommu_att_find(d, pasid);

	if (a && a->cfg.kind != S1_BLOCK && a->sid == pci_fn_sid(d->fn))
		*cfg = a->cfg;
	else
		viommu_refresh(d, pasid, cfg);
}

static bool reaches_msi(const struct viommu *v, u64 addr, u64 len)
{
	return range_overlaps(addr, len, v->model->msi_base, v->model->msi_len);
}

/*
 * lock held. Translates the first page of [iova, iova + *len): *gpa, how many bytes follow it, the page's size, and s->allowed. On
 * S1_FAULT_ROOT and _TABLE *gpa is the unreadable entry.
 */
static enum s1_fault_kind translate(struct viommu_dev *d, const struct s1_config *cfg, struct dma_span *s, iova_t iova,
				    gpa_t *gpa, u64 *len, u8 *shift)
{
	const struct s1_backend *b = &d->v->cfg.backend;
	enum s1_fault_kind why;
	struct s1_xlat x = { 0 };
	u64 in_page;

	if (cfg->kind == S1_BYPASS) {
		*gpa = iova;
		return reaches_msi(d->v, iova, *len) ? S1_FAULT_MSI_RANGE : S1_FAULT_NONE;
	}
	why = b->ops->translate(b->be, d->s1, s->pasid, cfg, iova, s->perm & DMA_WRITE, &x);
	if (why) {
		*gpa = x.gpa;
		return why;
	}
	if (!x.writable || !x.dirty)
		s->allowed &= DMA_READ;
	s->clean |= x.writable && !x.dirty;
	in_page = iova & (BIT(x.shift) - 1);
	*gpa = x.gpa + in_page;
	*len = MIN(*len, BIT(x.shift) - in_page);
	*shift = MAX(*shift, x.shift);
	/* Whether a page that holds the interrupt range may be used is decided per 4 KiB. */
	if (reaches_msi(d->v, x.gpa, BIT(x.shift)))
		*len = MIN(*len, 4096 - (iova & 4095));
	return reaches_msi(d->v, *gpa, *len) ? S1_FAULT_MSI_RANGE : S1_FAULT_NONE;
}

/* Adds host memory to the list, to the last entry where it continues it. Returns the new count, -EFAULT, -E2BIG. */
static int append(const struct mem *mem, gpa_t gpa, u64 len, struct iovec *iov, unsigned n, unsigned max)
{
	struct iovec got[2];
	int k = mem_iov(mem, gpa, len, got, ARRAY_SIZE(got));

	if (k < 0)
		return k;
	for (int i = 0; i < k; i++) {
		if (n && (char *)iov[n - 1].iov_base + iov[n - 1].iov_len == got[i].iov_base) {
			iov[n - 1].iov_len += got[i].iov_len;
			continue;
		}
		if (n == max)
			return -E2BIG;
		iov[n++] = got[i];
	}
	return (int)n;
}

/* lock held. */
static int map_span(struct viommu_dev *d, struct dma_span *s, struct iovec *iov, unsigned max, struct s1_fault *f)
{
	struct s1_config cfg;
	u64 left = s->len;
	u8 shift = 12;
	int n = 0;

	find_cfg(d, s->pasid, &cfg);
	s->allowed = (u8)(DMA_RW & ~cfg.deny);
	*f = (struct s1_fault){ .sid = pci_fn_sid(d->fn), .pasid = s->pasid, .iova = s->iova, .write = s->perm & DMA_WRITE, .quiet = cfg.quiet };
	if (cfg.kind == S1_BLOCK) {
		f->kind = S1_FAULT_CONFIG;
		f->reason = cfg.reason;
		f->at = cfg.at;
		return -EFAULT;
	}
	if (cfg.deny & s->perm) {
		f->kind = S1_FAULT_DENIED;
		return -EFAULT;
	}
	while (left && n >= 0) {
		u64 len = left;
		gpa_t gpa = 0;

		f->iova = s->iova + (s->len - left);
		f->kind = translate(d, &cfg, s, f->iova, &gpa, &len, &shift);
		if (f->kind) {
			f->at = gpa;
			return -EFAULT;
		}
		n = append(d->dma.mem, gpa, len, iov, (unsigned)n, max);
		left -= len;
	}
	if (d->dma.gone && s->pasid == DMA_NO_PASID)
		d->gone_shift = MAX(d->gone_shift, shift);
	s->tag = FIELD_PREP(SPAN_TAG, cfg.tag) | FIELD_PREP(SPAN_SHIFT, shift) | FIELD_PREP(SPAN_DEV, d->index);
	return n;
}

static int dev_get(struct dma *dma, struct dma_span *s, struct iovec *iov, unsigned max)
{
	struct viommu_dev *d = dma->ctx;
	struct viommu *v = d->v;
	struct s1_fault f = { .kind = S1_FAULT_NONE };
	int n = -EFAULT;

	if (!v->caps.software)
		return -EFAULT;
	pthread_mutex_lock(&v->lock);
	if (s->pasid == DMA_NO_PASID && reaches_msi(v, s->iova, s->len))
		f = (struct s1_fault){ S1_FAULT_MSI_REQUEST, .sid = pci_fn_sid(d->fn), .pasid = s->pasid, .iova = s->iova, .write = s->perm & DMA_WRITE };
	else
		n = map_span(d, s, iov, max, &f);
	if (n > 0) {
		s->prev = NULL;
		s->next = v->spans;
		if (v->spans)
			v->spans->prev = s;
		v->spans = s;
	} else if (f.kind && !s->probe) {
		viommu_record(d, &f);
	}
	pthread_mutex_unlock(&v->lock);
	if (f.kind && !s->probe) {
		viommu_tell(d, &f);
		viommu_raise_irqs(v);
	}
	return n;
}

static void dev_put(struct dma *dma, struct dma_span *s)
{
	struct viommu_dev *d = dma->ctx;
	struct viommu *v = d->v;

	pthread_mutex_lock(&v->lock);
	if (s->prev)
		s->prev->next = s->next;
	else
		v->spans = s->next;
	if (s->next)
		s->next->prev = s->prev;
	if ((s->tag & SPAN_STALE) && --v->stale == 0) {
		v->model->drained(v);
		queue_unpark(&v->queue);
	}
	pthread_mutex_unlock(&v->lock);
}

const struct dma_ops viommu_dma_ops = { .get = dev_get, .put = dev_put };
