// SPDX-License-Identifier: Apache-2.0
// Boost.JSON's own code: it is compiled here, once, so that no library of it is needed at run time.
#include <boost/json/src.hpp>
