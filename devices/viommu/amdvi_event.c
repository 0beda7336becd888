/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log and the unit's interrupts.
 *
 * 1. While the log does not run, events are dropped. 2. If it is full, or not in RAM, the overflow bit is set and the log stops until the
 * guest enables it again. 3. Else the entry is written whole before the tail moves: the guest reads up to the tail. An interrupt is sent
 * only when its status bit was clear.
 */
#include "devices/viommu/amdvi.h"
#include "vmm/mem.h"

static void send(struct amdvi *t)
{
	if (t->msi.on)
		viommu_msi(&t->v, t->msi.addr, t->msi.data);
}

void amdvi_status_set(struct amdvi *t, u64 bit, u64 enable)
{
	u64 *status = amdvi_reg(t, AR_STATUS);
	bool due = *status & bit;

	*status |= bit;
	if (!due && (t->control & enable))
		send(t);
}

void amdvi_irq_enabled(struct amdvi *t, u64 were, u64 are)
{
	u64 status = *amdvi_reg(t, AR_STATUS), risen = ~were & are;

	if (((risen & CTL_EVT_INT_EN) && (status & (STS_EVT_INT | STS_EVT_OVERFLOW))) ||
	    ((risen & CTL_COM_WAIT_INT_EN) && (status & STS_COM_WAIT_INT)))
		send(t);
}

static void overflow(struct amdvi *t)
{
	*amdvi_reg(t, AR_STATUS) &= ~STS_EVT_RUN;
	amdvi_status_set(t, STS_EVT_OVERFLOW, CTL_EVT_INT_EN);
}

void amdvi_event(struct amdvi *t, const u64 event[2])
{
	u64 base = *amdvi_reg(t, AR_EVTBASE), len = amdvi_ring_len(base);
	u64 head = *amdvi_reg(t, AR_EVTHEAD), tail = *amdvi_reg(t, AR_EVTTAIL), next;
	const u64 entry[2] = { htole64(event[0]), htole64(event[1]) };

	if (!(*amdvi_reg(t, AR_STATUS) & STS_EVT_RUN))
		return;
	head &= len - 1;
	tail &= len - 1;
	next = (tail + RING_ENTRY) & (len - 1);
	if (!len || next == head || mem_write(t->v.cfg.mem, (base & BASE_ADDR) + tail, entry, sizeof(entry)) < 0) {
		overflow(t);
		return;
	}
	*amdvi_reg(t, AR_EVTTAIL) = next;
	amdvi_status_set(t, STS_EVT_INT, CTL_EVT_INT_EN);
}

void amdvi_fault(struct viommu *v, const struct s1_fault *f)
{
	u64 event[2];

	if (amdvi_event_of(f, event))
		amdvi_event(amdvi_of(v), event);
}

u16 amdvi_explain(const struct s1_fault *f, const char **words)
{
	static const char *const kinds[S1_FAULT_KINDS] = {
		[S1_FAULT_ROOT] = "top page table unreadable",
		[S1_FAULT_TABLE] = "page table entry unreadable",
		[S1_FAULT_NOT_PRESENT] = "page not present",
		[S1_FAULT_RESERVED] = "page table entry: reserved bits",
		[S1_FAULT_NOT_CANONICAL] = "address beyond the table",
		[S1_FAULT_PRIVILEGE] = "supervisor page",
		[S1_FAULT_NO_WRITE] = "page not writable",
		[S1_FAULT_DENIED] = "the device table entry forbids it",
		[S1_FAULT_MSI_RANGE] = "page in the interrupt range",
		[S1_FAULT_MSI_REQUEST] = "read of the interrupt range",
		[S1_FAULT_AD] = "accessed/dirty update failed",
	};
	u64 event[2];

	/* Host tables have been told of once, with what to do about it. */
	if ((f->kind == S1_FAULT_CONFIG && f->reason == AMDVI_WHY_V1) || !amdvi_event_of(f, event))
		return 0;
	*words = f->kind == S1_FAULT_CONFIG ? amdvi_why_name(f->reason) : f->kind < S1_FAULT_KINDS && kinds[f->kind] ? kinds[f->kind] : "";
	return (u16)FIELD_GET(EVT_CODE, event[0]);
}

void amdvi_msi_set(struct viommu *v, bool on, u64 addr, u32 data)
{
	struct amdvi *t = amdvi_of(v);

	pthread_mutex_lock(&v->lock);
	t->msi.on = on;
	t->msi.addr = addr;
	t->msi.data = data;
	pthread_mutex_unlock(&v->lock);
}
