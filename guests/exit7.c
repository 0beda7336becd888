/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M
// expect: 7
/* A byte written to the status byte of the pvpanic function is nidus's exit status. */
#include "guests/lib/guest.h"

void guest_main(void)
{
	say_pass();
	guest_exit(7);
}
