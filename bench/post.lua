-- wrk: increases of 1,000 skus
local headers = { ["Content-Type"] = "application/json" }
local n = 0

request = function()
    n = n + 1
    return wrk.format("POST", nil, headers,
        '{"action":"increase","sku":"SKU' .. n % 1000 .. '","qty":1}')
end
