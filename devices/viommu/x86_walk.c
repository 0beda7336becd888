/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. The address must be in the table's range. 2. From the top, read one entry per level: present, no reserved bit; collect the rights. 3. Judge the
 * rights at the leaf. 4. Set A and D from the top down; if an entry is no longer what step 2 saw, start over.
 */
#include <errno.h>

#include "devices/viommu/x86_walk.h"
#include "vmm/mem.h"

#define PTE_P BIT(0)
#define PTE_RW BIT(1)
#define PTE_US BIT(2)
#define PTE_A BIT(5)
#define PTE_D BIT(6)
#define PTE_PS BIT(7)
#define PTE_EA BIT(10)
#define PTE_ADDR GENMASK(51, 12)
#define PTE_1G_RSVD GENMASK(29, 13)
#define PTE_2M_RSVD GENMASK(20, 13)

/* A table that another vCPU keeps changing under the walk gives the fault for failed flag updates in the end. */
#define MAX_RESTARTS 16

struct pass {
	gpa_t at[5];
	u64 pte[5];
	unsigned n;
	u8 shift;
	u64 rights;
};

static bool in_range(iova_t iova, const struct s1_table *t)
{
	unsigned top = 12U + 9U * t->levels - 1;
	u64 sign = GENMASK(63, top);

	if (t->zero_extended)
		return !(iova >> (top + 1));
	return (iova & sign) == 0 || (iova & sign) == sign;
}

/*
 * Reserved bits of an entry at level (1 is the last): the address above the guest's width, PS where there is none, low bits of a large
 * page.
 */
static bool reserved_set(const struct x86_walk *w, u64 pte, unsigned level)
{
	if (w->haw < 52 && (pte & GENMASK(51, w->haw)))
		return true;
	if (level == 1 || !(pte & PTE_PS))
		return false;
	if (level == 2)
		return pte & PTE_2M_RSVD;
	return level != 3 || !w->page_1g || (pte & PTE_1G_RSVD);
}

static enum s1_fault_kind descend(const struct x86_walk *w, iova_t iova, struct pass *p)
{
	gpa_t table = w->table->root;

	p->rights = PTE_RW | PTE_US;
	p->n = 0;
	for (unsigned level = w->table->levels; level > 0; level--) {
		u8 shift = (u8)(12 + 9 * (level - 1));
		u64 pte;
		gpa_t at = table + 8 * ((iova >> shift) & 511);

		p->at[p->n] = at;
		if (mem_load(w->mem, at, 8, &pte) < 0)
			return level == w->table->levels ? S1_FAULT_ROOT : S1_FAULT_TABLE;
		if (!(pte & PTE_P))
			return S1_FAULT_NOT_PRESENT;
		if (reserved_set(w, pte, level))
			return S1_FAULT_RESERVED;
		p->rights &= pte;
		p->pte[p->n++] = pte;
		p->shift = shift;
		if (level > 1 && (pte & PTE_PS))
			break;
		table = pte & PTE_ADDR;
	}
	return S1_FAULT_NONE;
}

/* 0, -EAGAIN: an entry changed since it was read. -EFAULT. */
static int set_flags(const struct x86_walk *w, const struct pass *p, bool write)
{
	for (unsigned i = 0; i < p->n; i++) {
		u64 want = p->pte[i] | PTE_A;
		int err;

		if (w->table->extended_access)
			want |= PTE_EA;
		if (write && i == p->n - 1)
			want |= PTE_D;
		if (want == p->pte[i])
			continue;
		err = mem_cmpxchg64(w->mem, p->at[i], p->pte[i], want);
		if (err)
			return err;
	}
	return 0;
}

static enum s1_fault_kind judge(const struct x86_walk *w, iova_t iova, bool write, const struct pass *p, struct s1_xlat *out)
{
	u64 page = BIT(p->shift), base = p->pte[p->n - 1] & PTE_ADDR & ~(page - 1);

	if (!(p->rights & PTE_US))
		return S1_FAULT_PRIVILEGE;
	if (write && !(p->rights & PTE_RW))
		return S1_FAULT_NO_WRITE;
	/* Of a large page only the 4 KiB accessed count. */
	if (range_within(base | (iova & (page - 1) & ~0xfffULL), 4096, X86_MSI_BASE, X86_MSI_LEN))
		return S1_FAULT_MSI_RANGE;
	*out = (struct s1_xlat){ .gpa = base, .shift = p->shift, .writable = p->rights & PTE_RW };
	out->dirty = write || (p->pte[p->n - 1] & PTE_D);
	return S1_FAULT_NONE;
}

enum s1_fault_kind x86_walk(const struct x86_walk *w, iova_t iova, bool write, struct s1_xlat *out)
{
	if (!in_range(iova, w->table))
		return S1_FAULT_NOT_CANONICAL;
	for (unsigned i = 0; i < MAX_RESTARTS; i++) {
		struct s1_xlat x = { 0 };
		struct pass p = { .shift = 12 };
		enum s1_fault_kind why = descend(w, iova, &p);
		int err;

		if (!why)
			why = judge(w, iova, write, &p, &x);
		if (why == S1_FAULT_ROOT || why == S1_FAULT_TABLE)
			out->gpa = p.at[p.n];
		if (why)
			return why;
		err = set_flags(w, &p, write);
		if (!err) {
			*out = x;
			return S1_FAULT_NONE;
		}
		if (err != -EAGAIN)
			break;
	}
	return S1_FAULT_AD;
}
