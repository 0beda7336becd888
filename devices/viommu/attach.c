/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in force for each device, and the invalidation batch. viommu_sync() reads what the guest wants now, compares it with what is in
 * force, and puts the difference in force; viommu_inv() collects, viommu_flush() carries out.
 */
#include <errno.h>

#include "devices/viommu/unit.h"
#include "vmm/pci.h"

/* --- what is in force --- */

static bool cfg_equal(const struct s1_config *a, const struct s1_config *b)
{
	const struct s1_table *s = &a->table, *t = &b->table;

	if (a->kind != b->kind || a->tag != b->tag || a->quiet != b->quiet || a->reason != b->reason || a->deny != b->deny)
		return false;
	return s->root == t->root && s->levels == t->levels && s->supervisor == t->supervisor && s->write_protect == t->write_protect &&
	       s->extended_access == t->extended_access && s->zero_extended == t->zero_extended && memcmp(s->raw, t->raw, sizeof(s->raw)) == 0;
}

struct viommu_att *viommu_att_find(struct viommu_dev *d, u32 pasid)
{
	for (unsigned i = 0; i < d->n_att; i++) {
		if (d->att[i].pasid == pasid)
			return &d->att[i];
	}
	return NULL;
}

/* Blocked PASIDs have no entry; [0] always stays. */
static void att_drop(struct viommu_dev *d, struct viommu_att *a)
{
	if (a != &d->att[0])
		*a = d->att[--d->n_att];
}

/* An entry for pasid; software units forget another one when the table is full, others get NULL. */
static struct viommu_att *att_new(struct viommu_dev *d, u32 pasid)
{
	struct viommu *v = d->v;
	struct viommu_att *a;

	if (d->n_att < v->caps.max_configs) {
		a = &d->att[d->n_att++];
	} else if (v->caps.software && v->caps.max_configs > 1) {
		a = &d->att[1 + d->victim++ % (v->caps.max_configs - 1U)];
		/* Later changes of that PASID will not be noticed, so DMA in flight by it counts as old from now on. */
		viommu_mark_dev(d, a->pasid);
		(void)v->cfg.backend.ops->set(v->cfg.backend.be, d->s1, a->pasid, &(struct s1_config){ .kind = S1_BLOCK });
	} else {
		return NULL;
	}
	*a = (struct viommu_att){ .pasid = pasid };
	return a;
}

/*
 * The backend's set(), failing closed: what cannot be put in force is blocked, and a device that cannot be blocked stops the VM. *cfg says
 * afterwards what is in force. Returns the first error.
 */
static int put_in_force(struct viommu_dev *d, u32 pasid, struct s1_config *cfg)
{
	const struct s1_backend *b = &d->v->cfg.backend;
	bool tried_to_block = cfg->kind == S1_BLOCK;
	int err = b->ops->set(b->be, d->s1, pasid, cfg);

	if (!d->v->caps.software)
		d->v->queue.calls++;
	if (!err)
		return 0;
	if (!tried_to_block || err == -EBUSY)
		*cfg = (struct s1_config){ .kind = S1_BLOCK, .reason = d->v->model->attach_failed };
	/* -EBUSY: the host itself keeps the device blocked while it resets it. */
	if (err == -EBUSY || (!tried_to_block && b->ops->set(b->be, d->s1, pasid, cfg) == 0))
		return err;
	log_error("%s: %s cannot be cut off from memory (%s): the VM is stopped", d->v->cfg.name, d->fn->name ? d->fn->name : "?", strerror(-err));
	if (d->v->cfg.failed)
		d->v->cfg.failed(d->v->cfg.failed_arg);
	return err;
}

/* lock held. Stores what is in force now. */
static void store(struct viommu_dev *d, struct viommu_att *a, u16 sid, const struct s1_config *cfg)
{
	struct viommu_counters *counters[] = { &d->c, &d->v->c };

	for (unsigned i = 0; i < ARRAY_SIZE(counters); i++) {
		counters[i]->attaches += cfg->kind != S1_BLOCK;
		counters[i]->passes += cfg->kind == S1_BYPASS;
		counters[i]->blocks += cfg->kind == S1_BLOCK && a->cfg.kind != S1_BLOCK;
	}
	a->sid = sid;
	a->cfg = *cfg;
}

/*
 * lock held; software only. Reads the configuration of (d, pasid) and puts it in force. *out is what requests undergo. A set() of the
 * software backend cannot fail.
 */
void viommu_refresh(struct viommu_dev *d, u32 pasid, struct s1_config *out)
{
	struct viommu *v = d->v;
	struct viommu_att *a = viommu_att_find(d, pasid);
	u16 sid = pci_fn_sid(d->fn);

	v->model->decode(v, sid, pasid, out);
	if (a && cfg_equal(&a->cfg, out)) {
		a->sid = sid;
		return;
	}
	if (a || out->kind != S1_BLOCK) {
		(void)put_in_force(d, pasid, out);
		viommu_mark_dev(d, pasid);
	}
	if (!a && out->kind != S1_BLOCK)
		a = att_new(d, pasid);
	if (a)
		store(d, a, sid, out);
	if (a && out->kind == S1_BLOCK)
		att_drop(d, a);
}

/* run held, lock not; units whose set() goes to the host. */
static void apply(struct viommu_dev *d, u32 pasid)
{
	struct viommu *v = d->v;
	struct s1_fault f = { .kind = S1_FAULT_CONFIG, .sid = pci_fn_sid(d->fn), .pasid = pasid };
	struct s1_config cfg;
	struct viommu_att *a;
	bool same;
	int err;

	pthread_mutex_lock(&v->lock);
	v->model->decode(v, f.sid, pasid, &cfg);
	a = viommu_att_find(d, pasid);
	same = a ? cfg_equal(&a->cfg, &cfg) : cfg.kind == S1_BLOCK && !cfg.malformed;
	if (!a && cfg.kind != S1_BLOCK)
		a = att_new(d, pasid);
	pthread_mutex_unlock(&v->lock);
	if (same)
		return;
	if (!a && cfg.kind != S1_BLOCK) {
		log_guest("%s: %s uses more PASIDs than the %u that can be served: 0x%x is blocked", v->cfg.name, d->fn->name,
			  v->caps.max_configs, pasid);
		return;
	}
	f.quiet = cfg.quiet;
	/* A change among blocked states is no business of the host's. */
	err = a && !(a->cfg.kind == S1_BLOCK && cfg.kind == S1_BLOCK) ? put_in_force(d, pasid, &cfg) : 0;
	if (err && err != -EBUSY)
		log_guest("%s: %s: the host refused the guest's table (%s): blocked", v->cfg.name, d->fn->name, strerror(-err));
	f.reason = cfg.reason;
	f.at = cfg.at;
	pthread_mutex_lock(&v->lock);
	viommu_mark_dev(d, pasid);
	if (a)
		store(d, a, f.sid, &cfg);
	/* The host's faults stay in the host, so what is rejected here is told here. */
	if ((err && err != -EBUSY) || (cfg.kind == S1_BLOCK && cfg.malformed))
		viommu_record(d, &f);
	if (a && cfg.kind == S1_BLOCK)
		att_drop(d, a);
	pthread_mutex_unlock(&v->lock);
}

/* PASIDs other than 0: the host must be told of all that exist, so the space is searched; software finds them when they are used. */
void viommu_sync_dev(struct viommu_dev *d, u32 pasid)
{
	struct viommu *v = d->v;
	bool all = pasid == VIOMMU_ALL_PASIDS;
	struct s1_config cfg;

	if (v->caps.software) {
		pthread_mutex_lock(&v->lock);
		/* Backwards: a blocked one is replaced by the last. */
		for (unsigned i = d->n_att; i-- > 0;) {
			if (all || viommu_entry_pasid(d->att[i].pasid) == pasid)
				viommu_refresh(d, d->att[i].pasid, &cfg);
		}
		pthread_mutex_unlock(&v->lock);
		return;
	}
	if (all || pasid == 0)
		apply(d, DMA_NO_PASID);
	for (u32 p = 1; all && p < 1U << v->caps.pasid_bits; p++)
		apply(d, p);
	if (!all && pasid && pasid < 1U << v->caps.pasid_bits)
		apply(d, pasid);
}

void viommu_sync(struct viommu *v, u16 sid, u16 sid_mask, u32 pasid)
{
	for (struct viommu_dev *d = v->devs; d; d = d->next) {
		if (!sid_mask || ((pci_fn_sid(d->fn) ^ sid) & sid_mask) == 0)
			viommu_sync_dev(d, pasid);
	}
	viommu_tell_gone(v);
}

/* --- invalidations --- */

static bool same_space(const struct s1_inv *a, const struct s1_inv *b)
{
	return a->tag == b->tag && a->pasid == b->pasid && !a->raw[0] && !b->raw[0];
}

/* True if a is now all that the two ask for. Ranges grow only to aligned powers of two: never more than was asked. */
static bool merge(struct s1_inv *a, const struct s1_inv *b)
{
	u64 len = a->npages << 12;

	if (a->scope == S1_INV_ALL)
		return !b->raw[0];
	if (a->scope == S1_INV_TAG)
		return b->scope >= S1_INV_TAG && a->tag == b->tag && !b->raw[0];
	if (b->scope < a->scope || !same_space(a, b))
		return false;
	if (a->scope == S1_INV_PASID)
		return true;
	if (b->addr >= a->addr && b->addr - a->addr < len && b->npages <= a->npages) {
		a->leaf &= b->leaf;
		return true;
	}
	if (b->npages != a->npages || a->npages >= BIT(51) || (a->addr ^ b->addr) != len)
		return false;
	a->addr &= ~len;
	a->npages *= 2;
	a->leaf &= b->leaf;
	return true;
}

void viommu_inv(struct viommu *v, const struct s1_inv *inv)
{
	v->batch[v->n_batch++] = *inv;
	pthread_mutex_lock(&v->lock);
	v->c.inv_in++;
	while (v->n_batch > 1 && merge(&v->batch[v->n_batch - 2], &v->batch[v->n_batch - 1])) {
		v->n_batch--;
		v->c.inv_merged++;
	}
	for (struct viommu_dev *d = v->devs; d; d = d->next) {
		for (unsigned i = 0; i < d->n_att; i++) {
			if (inv->scope != S1_INV_ALL && d->att[i].cfg.tag != inv->tag)
				continue;
			d->c.inv_in++;
			break;
		}
	}
	pthread_mutex_unlock(&v->lock);
	if (v->n_batch == VIOMMU_BATCH)
		viommu_flush(v);
}

static void block_all(struct viommu *v)
{
	for (struct viommu_dev *d = v->devs; d; d = d->next) {
		for (;;) {
			struct s1_config cfg = { .kind = S1_BLOCK, .reason = v->model->attach_failed };
			struct s1_fault f = { .kind = S1_FAULT_CONFIG, .sid = pci_fn_sid(d->fn), .reason = cfg.reason };
			struct viommu_att *a;

			pthread_mutex_lock(&v->lock);
			a = &d->att[d->n_att - 1];
			f.pasid = a->pasid;
			pthread_mutex_unlock(&v->lock);
			(void)put_in_force(d, a->pasid, &cfg);
			pthread_mutex_lock(&v->lock);
			if (a->cfg.kind != S1_BLOCK)
				viommu_record(d, &f);
			store(d, a, f.sid, &cfg);
			att_drop(d, a);
			pthread_mutex_unlock(&v->lock);
			if (a == &d->att[0])
				break;
		}
	}
}

void viommu_flush(struct viommu *v)
{
	const struct s1_backend *b = &v->cfg.backend;
	unsigned n = v->n_batch, done = 0, calls = 0;
	int err;

	if (!n) {
		viommu_tell_gone(v);
		return;
	}
	v->n_batch = 0;
	err = b->ops->inv(b->be, v->batch, n, &done, &calls);
	v->queue.calls += calls;
	if (err || done < n) {
		/* What the host may still translate by is unknown: nothing passes any more. */
		log_guest("%s: the host failed an invalidation (%s): all devices behind it are blocked", v->cfg.name, strerror(-err));
		block_all(v);
	}
	pthread_mutex_lock(&v->lock);
	v->c.inv_forwarded += n;
	v->c.inv_calls += calls;
	for (unsigned i = 0; i < n; i++)
		viommu_mark_inv(v, &v->batch[i]);
	pthread_mutex_unlock(&v->lock);
	viommu_tell_gone(v);
}

bool viommu_settled(struct viommu *v)
{
	bool busy;

	viommu_flush(v);
	pthread_mutex_lock(&v->lock);
	busy = v->stale != 0;
	if (busy)
		queue_park(&v->queue);
	pthread_mutex_unlock(&v->lock);
	return !busy;
}

void viommu_forget(struct viommu *v)
{
	v->batch[0] = (struct s1_inv){ .scope = S1_INV_ALL };
	v->n_batch = 1;
	viommu_flush(v);
}
