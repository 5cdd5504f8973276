// SPDX-License-Identifier: Apache-2.0
// Apache's variant of MD5 crypt, which libcrypt does not have (htpasswd's default until Apache 2.4).
#pragma once

#include <string>
#include <string_view>

namespace sluice::policy {

// `setting`: "$apr1$SALT$" and whatever follows. Returns "$apr1$SALT$DIGEST"; empty if the setting is of another kind or MD5 is not available.
std::string apr1(std::string_view password, std::string_view setting);

}  // namespace sluice::policy
