/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * draft-mcgrew-gcm-test-01 §4: AES-GCM in ESP (RFC 4106), the packets with a 64-bit sequence number, whose high half is in the additional
 * data but not sent. Their next header is 1, so they are read as transport mode.
 */
#ifndef VECTORS_MCGREW_GCM_ESN_H
#define VECTORS_MCGREW_GCM_ESN_H

struct esn_vector {
	const char *key;    /* with salt */
	const char *packet; /* from the SPI on */
	const char *text;   /* padding and trailer included */
	unsigned long long seq;
	unsigned spi;
};

static const struct esn_vector mcgrew_gcm_esn[] = {
	{.key = "3de09874b388e6491988d0c3607eae1f"
		"57690e43",
	 .spi = 0x42f67e3f,
	 .seq = 0x1010101010101010,
	 .packet = "42f67e3f101010104e280000a2fca1a3"
		   "fba2caa4853cf9f0f22cb10d86dd83b0fec75691cf1a04b00d1138ec9c357917"
		   "65acbd8701ad79845bf9fe3fba487bc91755e6662b4c8d0d1f5e22739530320a"
		   "e0d731cc978ecafaeae88f00e80d6e48",
	 .text = "4500003c99c300008001cb7c40679318010101010800085c0200430061626364"
		 "65666768696a6b6c6d6e6f707172737475767761626364656667686901020201"},
	{.key = "3de09874b388e6491988d0c3607eae1f"
		"57690e43",
	 .spi = 0x42f67e3f,
	 .seq = 0x1010101010101010,
	 .packet = "42f67e3f101010104e280000a2fca1a3"
		   "fba2ca845e5df9f0f22c3e6e86dd831e1fc65792cd1af9130e1379ed"
		   "369f071f35e034be95f112e4e7d05d35",
	 .text = "4500001c42a200008001441f406793b6e00000020a00f5ff01020201"},
};

#endif
