/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M
// expect: 81
/* The reset register without the warm reset word is an ordinary reboot. */
#include "guests/lib/guest.h"

void guest_main(void)
{
	CHECK(mmio_read(X86_WARM_RESET_GPA, 2) == 0, "the warm reset word is not clear at start");
	say_pass();
	port_write(X86_RESET_PORT, 1, X86_RESET_VALUE);
	cpu_halt();
}
