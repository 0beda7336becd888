/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M
// expect: 0
/* The local APIC's timer: one-shot, periodic, and TSC deadline where CPUID has it. */
#include "guests/lib/guest.h"

#define VEC 0x40

static volatile unsigned fired;

static void on_timer(void)
{
	fired++;
}

void guest_main(void)
{
	u32 id[4];

	irq_handle(VEC, on_timer);
	lapic_write(LAPIC_TIMER_DIVIDE, 0xb);
	lapic_write(LAPIC_LVT_TIMER, VEC);
	lapic_write(LAPIC_TIMER_COUNT, 1000000);
	CHECK(irq_wait(&fired, 1) == 1, "one-shot: fired %u times", fired);
	CHECK(lapic_read(LAPIC_TIMER_CURRENT) == 0, "one-shot: runs on");
	lapic_write(LAPIC_LVT_TIMER, VEC | LAPIC_TIMER_PERIODIC);
	lapic_write(LAPIC_TIMER_COUNT, 1000000);
	CHECK(irq_wait(&fired, 4) >= 4, "periodic: fired %u times", fired - 1);
	lapic_write(LAPIC_TIMER_COUNT, 0);
	cpu_id(1, 0, id);
	if (!(id[2] & BIT(24)))
		return;
	irq_on();
	irq_off();
	fired = 0;
	lapic_write(LAPIC_LVT_TIMER, VEC | LAPIC_TIMER_TSC_DEADLINE);
	cpu_msr_write(MSR_TSC_DEADLINE, cpu_ticks() + 1000000);
	CHECK(irq_wait(&fired, 1) == 1, "TSC deadline: fired %u times", fired);
}
